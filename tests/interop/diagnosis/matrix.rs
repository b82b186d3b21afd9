//! Which row of the table is seen by which command.

use super::bench::{Bench, Said, keep};
use std::path::PathBuf;

#[derive(Debug, Default)]
pub(super) struct Matrix {}

impl Matrix {
    pub(super) fn wants(&self, row: &str) -> bool {
        let Ok(only) = std::env::var("CERTGEN_ROWS") else { return true };
        only.split(',').any(|wanted| row == wanted || row.starts_with(&format!("{wanted} ")))
    }
}

impl Bench {
    pub(super) fn judge(&mut self, row: &'static str, said: &Said, probe: Option<&[String]>, doctor: Option<&[PathBuf]>) {
        keep(self.version, row, said);
        println!("## {row}");
        for (who, text) in &said.texts {
            println!("- {who}: {text}");
        }
        println!("{}", said.log);
    }
}
