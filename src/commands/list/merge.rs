//! Several inventories as one: sites of a fleet, or copies of a PKI that went apart.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::env::Env;
use crate::error::Result;
use crate::store::{Inventory, Store};
use crate::ui;

/// Unites the inventories below `directories`: each event counts once, and of two certificates of one identity the later
/// is the current one. Where two sites issued the same identity and neither knows of the other, that is said.
pub(super) fn read(directories: &[PathBuf], env: &mut Env) -> Result<Inventory> {
    let mut inventories = Vec::new();
    for directory in directories {
        let store = Store::open(&env.cwd.join(directory));
        if !store.exists() {
            return Err(store.missing());
        }
        let inventory = store.inventory()?;
        for warning in &inventory.warnings {
            env.warn(warning);
        }
        inventories.push((directory.as_path(), inventory));
    }
    let events = inventories.iter().flat_map(|(_, inventory)| inventory.events()).collect();
    inventories.iter().try_for_each(|(_, inventory)| inventory.check())?;
    let united = Inventory::from_events(events);
    for warning in twice_issued(&inventories, &united) {
        env.warn(warning);
    }
    Ok(united)
}

fn twice_issued(inventories: &[(&Path, Inventory)], united: &Inventory) -> Vec<String> {
    let mut sites: BTreeMap<(String, String), Vec<(usize, String)>> = BTreeMap::new();
    for (site, (_, inventory)) in inventories.iter().enumerate() {
        for (key, history) in inventory.entries() {
            if let Some(issued) = history.current() {
                sites.entry(key).or_default().push((site, issued.serial.clone()));
            }
        }
    }
    let mut warnings = Vec::new();
    for ((role, name), of) in sites.iter().filter(|(_, of)| of.len() > 1) {
        let knows = |site: usize, serial: &String| {
            let history = inventories[site].1.history(role, name).unwrap_or_default();
            history.certificates.iter().any(|issued| issued.serial == *serial)
        };
        let apart = of.iter().find_map(|(a, serial)| {
            of.iter().find(|(b, other)| !knows(*a, other) && !knows(*b, serial)).map(|(b, _)| (*a, *b))
        });
        let (Some((a, b)), Some(current)) = (apart, united.current(role, name)) else { continue };
        warnings.push(format!(
            "{} was issued in {} and in {}, which do not know of each other: the later certificate, {} of {}, counts as the \
             current one; revoke the other if nobody uses it",
            ui::plain(&format!("{role}/{name}")),
            ui::path(inventories[a].0),
            ui::path(inventories[b].0),
            current.serial,
            ui::date(current.issued_at)
        ));
    }
    warnings
}
