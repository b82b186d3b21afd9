//! The broker does not start.

use super::bench::{Bench, CONF, Said};

pub(super) fn all(bench: &mut Bench) {
    if bench.matrix.wants("D28") {
        bench.stop();
        bench.heal_files();
        bench.edit(CONF, |conf| conf + "ssl_verify = verify_peer\n");
        failed(bench, "D28");
    }
    if bench.matrix.wants("D5") {
        bench.stop();
        bench.heal_files();
        bench.host().shell("chown root:root /etc/rabbitmq/certs/combined_keys.pem").accepted();
        failed(bench, "D5");
    }
}

fn failed(bench: &mut Bench, row: &'static str) {
    bench.host().shell("rm -f /var/log/rabbitmq/*").accepted();
    bench.host().launch();
    let console = bench.host().await_failure();
    let said = Said { texts: vec![("console".into(), console)], log: bench.log_of_boot() };
    bench.judge(row, &said, None, Some(&[]));
}
