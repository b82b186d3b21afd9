//! Carries out what was decided: reads the PKI as it is, asks issuers, stages files, commits everything at once.
//!
//! Every command that changes a PKI goes through here, for one certificate and for many: [`World`] is what exists,
//! [`Change`] collects what is to become, and one transaction of the store makes it so or leaves everything as it was.

mod archive;
mod broker;
mod broker_lists;
mod change;
mod consumers;
mod guide;
mod keys;
mod rebuild;
mod refusals;
mod renewal;
mod request;
mod revocation;
mod survey;
mod taken_list;
mod trust;
mod world;

pub(crate) use broker::user_name;
pub use broker::{FileAccess, PreparedBroker, line_for_running_broker, target_of};
pub use change::{Change, Destination, Done, NewPassword, Order, Written};
pub use consumers::Emitted;
pub use guide::first_steps;
pub use keys::{KeySource, Unlock, Vault};
pub use refusals::NameRefusals;
pub use renewal::{Files, Renewable, Renewal};
pub use request::{DateNote, Dates};
pub use revocation::WrittenList;
pub use survey::{Standing, SurveyOptions};
pub use taken_list::TakenList;
pub use trust::Trust;
pub use world::{AuthorityState, World};
