//! Why something did not work, and how that is told to the host.

use lockgate_plugin::{Error as Told, ExchangeError, Refusal};

/// Why an exchange with the server, or the work on what it said, failed.
pub type Error = ExchangeError<ServerError>;

/// An `ErrorResponse`. Codes: <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (SQLSTATE {code})")]
pub struct ServerError {
    /// Five characters.
    pub code: String,
    /// Made safe to print.
    pub message: String,
}

impl ServerError {
    /// Whether what is to be made is there already.
    pub fn is_duplicate(&self) -> bool {
        let codes = ["42710", "42P06", "42P07", "42723", "42701", "42P04", "42P16", "23505"];
        codes.contains(&self.code.as_str())
    }
}

impl Refusal for ServerError {
    fn during(self, doing: &str) -> Self {
        Self { message: format!("{doing}: {}", self.message), ..self }
    }

    fn told(self) -> Told {
        let text = self.to_string();
        let document = "docs/plugins/postgresql.md has the GRANT statements";
        match self.code.as_str() {
            "28000" | "28P01" => Told::auth(text),
            "42501" => Told::auth(format!("{text}; the account lacks a privilege: {document}")),
            "3D000" => Told::config(format!("{text}; see `database` and `databases`")),
            "55P03" => Told::conflict(format!(
                "{text}; somebody holds or wants a lock on it, to alter it for instance: run again, or raise lock-wait-seconds"
            )),
            "42704" if text.contains("role ") => Told::conflict(format!(
                "{text}; restore the part _roles too, or set owners = false to leave owners and grants out"
            )),
            "42704" | "42P01" | "42883" | "3F000" => {
                Told::conflict(format!("{text}; restore the part DATABASE/_schema too"))
            }
            "2BP01" => Told::conflict(text),
            "42710" | "42P04" | "42P06" | "42P07" | "42723" | "23505" => {
                Told::conflict(format!("{text}; allow to overwrite, or rename"))
            }
            "0A000" => Told::unsupported(text),
            "22P02" | "22P03" | "22P04" | "22021" => Told::corrupt(text),
            "40001" | "40P01" => Told::unreachable(text),
            code => match code.get(..2) {
                Some("08" | "53" | "57" | "58") => Told::unreachable(text),
                Some("XX") => Told::corrupt(text),
                _ => Told::other(text),
            },
        }
    }
}
