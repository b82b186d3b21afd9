#!/usr/bin/env escript
%% What RabbitMQ itself makes of settings, without starting it: its own reader and its own schemas.
%% PLUGINS: the names that it knows. PLUGINS DIRECTORY: what it says of each .conf there, `NAME ok` or `NAME refused TEXT`.
main([Plugins | Rest]) ->
    logger:set_primary_config(level, none),
    [code:add_patha(P) || P <- filelib:wildcard(Plugins ++ "/*/ebin")],
    Schema = {_, Mappings, _} = cuttlefish_schema:files(filelib:wildcard(Plugins ++ "/*/priv/schema/*.schema")),
    case Rest of
        [] ->
            [io:format("~ts~n", [string:join(cuttlefish_mapping:variable(M), ".")]) || M <- Mappings];
        [Directory] ->
            [io:format("~ts ~ts~n", [filename:basename(C, ".conf"), verdict(Schema, C)])
             || C <- lists:sort(filelib:wildcard(Directory ++ "/*.conf"))]
    end.

verdict(Schema, Conf) ->
    case cuttlefish_conf:file(Conf) of
        {errorlist, Errors} -> refused(Errors);
        Read ->
            case cuttlefish_generator:map(Schema, Read) of
                {error, _, {errorlist, Errors}} -> refused(Errors);
                _ -> "ok"
            end
    end.

refused(Errors) ->
    Texts = [cuttlefish_error:xlate(E) || {error, E} <- Errors],
    ["refused ", [C || C <- lists:flatten(lists:join(" ", Texts)), C =/= $\n]].
