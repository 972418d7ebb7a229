//! What happens without being asked for: backups by the clock, what is kept of them, and who is told.

mod keeping;
mod killed;
mod mailing;
mod place;
mod receivers;
mod telling;
