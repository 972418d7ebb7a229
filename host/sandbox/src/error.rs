//! Why a session or a call failed.
