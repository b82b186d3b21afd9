//! What a running broker needs to serve a pair that was replaced on its disk.
//!
//! Without it new connections get the new pair after about two minutes. Listeners and inter-node links keep their files
//! in two caches, and `ssl:clear_pem_cache()` empties only the first (measured on OTP 25, 27 and 29).

use crate::manifest::{InterNodeTls, Platform};

/// Both caches of a broker, each as the words of a command.
pub fn reload_commands(platform: Platform, inter_node: InterNodeTls) -> Vec<Vec<String>> {
    let program = match platform {
        Platform::Unix => "rabbitmqctl",
        Platform::Windows => "rabbitmqctl.bat",
    };
    let mut expressions = vec!["ssl:clear_pem_cache()."];
    if inter_node != InterNodeTls::Off {
        expressions.push("gen_server:call(ssl_pem_cache_dist, {unconditionally_clear_pem_cache, self()}).");
    }
    expressions.into_iter().map(|expression| [program, "eval", expression].map(str::to_owned).to_vec()).collect()
}
