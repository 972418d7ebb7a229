//! Every way in which a component can differ from what was accepted, with real signatures.

mod mutation;
mod refusals;
mod stage;
