//! The host side: starts workers, makes calls, answers questions.
