//! Tables that fit the terminal and survive `grep`: no lines, two spaces between columns.

use comfy_table::{ContentArrangement, presets};

use crate::env::Env;
use crate::error::Result;

/// A table with a header.
pub struct Table(comfy_table::Table);

impl Table {
    /// A table with these column titles.
    pub fn new(header: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(header.to_vec());
        if let Some((terminal_size::Width(width), _)) = terminal_size::terminal_size_of(std::io::stdout()) {
            table.set_width(width);
        }
        Self(table)
    }

    /// Adds a row of text that is already safe to show.
    pub fn row<I: IntoIterator<Item = String>>(&mut self, cells: I) {
        self.0.add_row(cells);
    }

    /// Prints it.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn print(&self, env: &mut Env) -> Result<()> {
        for line in self.0.to_string().lines() {
            writeln!(env.out(), "{}", line.trim_end())?;
        }
        Ok(())
    }
}
