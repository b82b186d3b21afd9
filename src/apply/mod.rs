//! Carries out what was decided: reads the PKI as it is, asks issuers, stages files, commits everything at once.
//!
//! Every command that changes a PKI goes through here, for one certificate and for many: [`World`] is what exists,
//! [`Change`] collects what is to become, and one transaction of the store makes it so or leaves everything as it was.

mod archive;
mod authorities;
mod broker;
mod broker_lists;
mod bulk;
mod change;
mod consumers;
mod follow;
mod guide;
mod history;
mod identity;
mod keys;
mod planning;
mod rebuild;
mod refusals;
mod removal;
mod renewal;
mod request;
mod revocation;
mod rotation;
mod sites;
mod survey;
mod switch;
mod taken_list;
mod taking;
mod trust;
mod world;

pub use broker::{FileAccess, PreparedBroker, lines_for_running_brokers, target_of};
pub(crate) use broker::{is_the_brokers, user as user_facts, user_name};
pub(crate) use bulk::flat_files;
pub use bulk::{Bulk, Job, Place, Step, Told, ordered};
pub use change::{Change, Destination, Done, Edited, NewPassword, Order, Superseded, Written};
pub use consumers::Emitted;
pub use guide::{first_steps, where_files_go};
pub use keys::{KeySource, Unlock, Vault};
pub use planning::{Plan, PlanOptions};
pub use refusals::NameRefusals;
pub use renewal::{Files, Renewable, Renewal};
pub(crate) use request::bulk_dates;
pub use request::{DateNote, Dates};
pub use revocation::WrittenList;
pub use rotation::{BUNDLES_ARE_READ_AFTER, Batch, Delivery, Dependent, Phase, Rotation};
pub use sites::Above;
pub use survey::{Standing, SurveyOptions, Visit};
pub use switch::order as switch_order;
pub use taken_list::TakenList;
pub use taking::{KeptConfiguration, TakenExternal, TakenKey, TakenRevocation, TakenThing, Taking, TookOver};
pub use trust::Trust;
pub use world::{AuthorityState, World, lock_place};
