//! The runtime against a frozen component that has every hook, uses every capability and misbehaves
//! on request (`fixtures/contract`), and against components that cannot be used.

mod circuit;
mod delivery;
mod forged;
mod hostile;
mod inert;
mod keep;
mod ledger;
mod loading;
mod policy;
mod stage;
mod swap;
