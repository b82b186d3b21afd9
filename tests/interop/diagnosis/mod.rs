//! Every row of the table of faults provoked on real brokers with real clients, and judged by `probe`, `doctor` and
//! `explain`.

mod bench;
mod client_certificate;
mod files;
mod listener;
mod login;
mod matrix;
mod server_certificate;

use bench::Bench;
use matrix::Matrix;

use crate::support::broker::Version;

fn diagnosis(version: Version) {
    let mut bench = Bench::celery(version, Matrix::default());
    client_certificate::all(&mut bench);
    login::all(&mut bench);
    listener::all(&mut bench);
    server_certificate::all(&mut bench);
    listener::loose(&mut bench);
    files::all(&mut bench);
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, client libraries of Python, Node.js and Java, and root"]
fn diagnosis_on_3_10() {
    diagnosis(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, client libraries of Python, Node.js and Java, and root"]
fn diagnosis_on_4() {
    diagnosis(Version::V4);
}
