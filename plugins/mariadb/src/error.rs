//! Why something did not work, and how that is told to the host.

use lockgate_plugin::{Error as Told, ExchangeError, Refusal};

/// Why an exchange with the server, or the work on what it said, failed.
pub type Error = ExchangeError<ServerError>;

/// An error packet. Codes: <https://mariadb.com/kb/en/mariadb-error-code-reference/>.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (server error {code})")]
pub struct ServerError {
    /// The number.
    pub code: u16,
    /// Made safe to print.
    pub message: String,
}

impl ServerError {
    /// Whether the object that the statement names does not exist (tables, views, routines, databases).
    pub fn is_missing_object(&self) -> bool {
        matches!(self.code, 1146 | 1356 | 1305 | 1049 | 4091)
    }
}

impl Refusal for ServerError {
    fn during(self, doing: &str) -> Self {
        Self { message: format!("{doing}: {}", self.message), ..self }
    }

    fn told(self) -> Told {
        let text = self.to_string();
        match self.code {
            // Too many connections, shutdown, killed, gone away, lock wait timeout, deadlock.
            1040 | 1053 | 1077 | 1152..=1161 | 1203 | 1205 | 1213 | 1226 | 1927 => {
                Told::unreachable(text)
            }
            1045 | 1129 | 1130 | 1698 | 1862 | 4151 => Told::auth(text),
            1044 | 1142 | 1143 | 1227 | 1290 | 1370 | 1410 | 1419 => Told::auth(format!(
                "{text}; the account lacks a privilege: docs/plugins/mariadb.md has the GRANT statement"
            )),
            1412 => Told::conflict(format!(
                "{text}; a table was altered while the backup ran: run the backup again"
            )),
            1007 | 1050 | 1062 | 1304 | 1359 | 1396 | 1537 => Told::conflict(text),
            1034 | 1035 | 1194 | 1195 => Told::corrupt(text),
            _ => Told::other(text),
        }
    }
}
