//! `lockgate mount` on the kernel's own FUSE: what is seen through it, while it changes, when it is damaged, and how it ends.

mod bed;
mod content;
mod ends;
mod life;
mod others;
