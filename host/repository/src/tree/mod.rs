//! Builds the trees of a snapshot from entries in any order, in bounded memory.
