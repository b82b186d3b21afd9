//! Identities that are taken out.

use crate::apply::Change;
use crate::error::Result;
use crate::profile::Role;
use crate::store::{Action, layout};

impl Change<'_> {
    /// Takes an identity out: its directory with its key, and the keys of the pairs that it had before.
    ///
    /// # Errors
    /// The name has no directory name, or an event cannot be made.
    pub fn remove_identity(&mut self, role: Role, name: &str) -> Result<()> {
        let directory = layout::entry_dir(role.as_str(), name)?;
        if self.world.store.holds(&directory) {
            self.withdraw_key(role, name, &directory.join(role.key_file()))?;
            self.removals.push(directory);
        }
        self.erase_history_keys(role, name)?;
        let mut event = self.event(Action::Removed, role.as_str(), name)?;
        event.serial = self.world.inventory.current_serial(role.as_str(), name);
        self.events.push(event);
        self.world.forget_entry(role, name);
        Ok(())
    }

    /// Takes out a pair that somebody else renews: its directory with its key.
    ///
    /// # Errors
    /// The name has no directory name, or an event cannot be made.
    pub fn remove_external(&mut self, name: &str) -> Result<()> {
        let directory = layout::entry_dir(layout::EXTERNAL, name)?;
        if self.world.store.holds(&directory) {
            self.removals.push(directory);
        }
        let mut event = self.event(Action::Removed, layout::EXTERNAL, name)?;
        event.serial = self.world.inventory.current_serial(layout::EXTERNAL, name);
        self.events.push(event);
        Ok(())
    }
}
