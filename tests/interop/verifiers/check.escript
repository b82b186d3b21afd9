%% Judges every case of a directory with Erlang's ssl, over loopback. Second argument: default or https-match. What a case
%% is about may stand behind its host: chain (which goes without saying), crl, key, pem, key-store.
-mode(compile).
-define(PATIENCE, 2000).

main([Root, Match]) ->
    logger:set_primary_config(level, none),
    {ok, _} = application:ensure_all_started(ssl),
    {ok, List} = file:read_file(filename:join(Root, "cases.tsv")),
    [begin
         [Name, Purpose, Host | Rest] = string:split(binary_to_list(Line), "\t", all),
         About = case Rest of [] -> "chain"; [One] -> One end,
         Said = try judge(About, Root, Name, Purpose, Host, Match) catch _:E -> ["SHOWN\t", one_line(E)] end,
         io:format("~s\t~s~n", [Name, Said])
     end || Line <- binary:split(List, <<"\n">>, [global, trim_all])].

pem(Root, Name, File) ->
    {ok, Bytes} = file:read_file(filename:join([Root, Name, File])),
    public_key:pem_decode(Bytes).

certs(Root, Name, File) -> [Der || {'Certificate', Der, _} <- pem(Root, Name, File)].

own(Root, Name) ->
    [{Type, Key, _} | _] = [E || E = {T, _, _} <- pem(Root, Name, "key.pem"), T =/= 'EcpkParameters'],
    [{cert, certs(Root, Name, "chain.pem")}, {key, {Type, Key}}].

judge("key-store", _Root, _Name, _Purpose, _Host, _Match) -> "NONE";
judge("key", Root, Name, _Purpose, _Host, _Match) ->
    %% As the broker has them: the options name the files, which are read when the first client comes.
    Self = self(),
    {Pid, Monitor} = spawn_monitor(fun() -> Self ! {said, load(Root, Name)} end),
    receive
        {said, Said} -> Said;
        {'DOWN', Monitor, _, _, Why} -> ["NO\t", one_line(Why)]
    after ?PATIENCE -> exit(Pid, kill), "STALLS"
    end;
judge("pem", Root, Name, "server", Host, _Match) ->
    Bundle = filename:join([Root, Name, "anchors.pem"]),
    case load(Root, Name) of
        "OK" -> run(files(Root, Name), [{verify, verify_peer}, {cacertfile, Bundle}, {server_name_indication, Host}], client);
        Refused -> Refused
    end;
judge("crl", Root, Name, Purpose, Host, Match) ->
    Lists = {internal, [{dir, filename:join([Root, Name, "crls"])}]},
    judge_chain(Root, Name, Purpose, Host, Match, [{crl_check, peer}, {crl_cache, {ssl_crl_hash_dir, Lists}}]);
judge("chain", Root, Name, Purpose, Host, Match) ->
    judge_chain(Root, Name, Purpose, Host, Match, []).

%% The server says why it cannot use its files.
load(Root, Name) -> run(files(Root, Name), [{verify, verify_none}], server).

files(Root, Name) ->
    File = fun(Base) -> filename:join([Root, Name, Base]) end,
    Password = case file:read_file(File("password.txt")) of
                   {ok, Text} -> [{password, binary_to_list(Text)}];
                   _ -> []
               end,
    [{certfile, File("chain.pem")}, {keyfile, File("key.pem")} | Password].

judge_chain(Root, Name, "server", Host, Match, Lists) ->
    Names = case inet:parse_ipv4_address(Host) of
                {ok, _} -> [];
                _ -> [{server_name_indication, Host}]
            end,
    Https = case Match of
                "https-match" -> [{customize_hostname_check, [{match_fun, public_key:pkix_verify_hostname_match_fun(https)}]}];
                _ -> []
            end,
    run(own(Root, Name), [{verify, verify_peer}, {cacerts, certs(Root, Name, "anchors.pem")}, {depth, 10}] ++ Names ++ Https ++ Lists, client);
judge_chain(Root, Name, "client", _Host, _Match, Lists) ->
    Server = own(Root, "judge") ++ Lists ++ [{verify, verify_peer}, {fail_if_no_peer_cert, true}, {depth, 10},
                                    {cacerts, certs(Root, Name, "anchors.pem")}],
    run(Server, [{verify, verify_none} | own(Root, Name)], server).

%% Both versions must let it pass; 1.2 tells more of the reason.
run(Server, Client, Judge) ->
    case run(Server, Client, Judge, 'tlsv1.2') of
        "OK" -> run(Server, Client, Judge, 'tlsv1.3');
        Refused -> Refused
    end.

run(Server, Client, Judge, Version) ->
    Versions = {versions, [Version]},
    {ok, Listen} = ssl:listen(0, [{ip, {127, 0, 0, 1}}, {reuseaddr, true}, Versions | Server]),
    {ok, {_, Port}} = ssl:sockname(Listen),
    Self = self(),
    spawn(fun() ->
                  {ok, Socket} = ssl:transport_accept(Listen),
                  Self ! {server, ssl:handshake(Socket, 5000)},
                  receive stop -> ok after 5000 -> ok end
          end),
    Connected = ssl:connect({127, 0, 0, 1}, Port, [Versions | Client], 5000),
    Accepted = receive {server, Result} -> Result after 6000 -> {error, timeout} end,
    ssl:close(Listen),
    case if Judge =:= client -> Connected; true -> Accepted end of
        {ok, _} -> "OK";
        {error, Reason} -> ["NO\t", one_line(Reason)]
    end.

one_line(Term) -> [C || C <- lists:flatten(io_lib:format("~0p", [Term])), C =/= $\n].
