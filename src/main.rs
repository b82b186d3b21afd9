//! The door: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    certgen::main(std::env::args_os())
}
