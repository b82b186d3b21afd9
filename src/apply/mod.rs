//! Carries out what was decided: reads the PKI as it is, asks issuers, stages files, commits everything at once.
//!
//! Every command that changes a PKI goes through here, for one certificate and for many: [`World`] is what exists,
//! [`Change`] collects what is to become, and one transaction of the store makes it so or leaves everything as it was.

mod archive;
mod authorities;
mod broker;
mod broker_lists;
mod change;
mod consumers;
mod guide;
mod history;
mod keys;
mod rebuild;
mod refusals;
mod renewal;
mod request;
mod revocation;
mod rotation;
mod survey;
mod switch;
mod taken_list;
mod trust;
mod world;

pub use broker::{FileAccess, PreparedBroker, line_for_running_broker, target_of};
pub(crate) use broker::{is_the_brokers, user_name};
pub use change::{Change, Destination, Done, NewPassword, Order, Written};
pub use consumers::Emitted;
pub use guide::{first_steps, where_files_go};
pub use keys::{KeySource, Unlock, Vault};
pub use refusals::NameRefusals;
pub use renewal::{Files, Renewable, Renewal};
pub use request::{DateNote, Dates};
pub use revocation::WrittenList;
pub use rotation::{BUNDLES_ARE_READ_AFTER, Batch, Delivery, Dependent, Phase, Rotation};
pub use survey::{Standing, SurveyOptions, Visit};
pub use switch::order as switch_order;
pub use taken_list::TakenList;
pub use trust::Trust;
pub use world::{AuthorityState, World};
