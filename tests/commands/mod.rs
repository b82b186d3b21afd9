//! The commands as people and scripts call them, and what the world does to them meanwhile.

mod apply;
mod brokers;
mod bulk;
mod crl;
mod damage;
mod emit;
mod export;
mod faults;
mod hostile_answers;
mod hostile_files;
mod hostile_names;
mod hostile_world;
mod import;
mod inspect;
mod list;
mod migration;
mod recovery;
mod renew;
mod repeat;
mod revoke;
mod rotate;
mod sites;
mod status;
mod together;
mod usage;
mod verify;
