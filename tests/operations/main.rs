//! Jobs with the real plugins, a real repository and the operator's commands: what is taken out of service is put back, whatever
//! happens in between, and everyone is told what state things are in.

mod killed;
mod maintenance;
mod place;
mod restore;
