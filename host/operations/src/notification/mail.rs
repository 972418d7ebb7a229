//! Mail (RFC 5321, RFC 5322).

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use lockgate_engine::configuration::{MailEncryption, Smtp};

use super::deliver::fetch;
use super::{Message, http};
use crate::{Error, ErrorKind, Result};

/// For each command and its answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// For all of them.
const ALL_MAX: Duration = Duration::from_secs(120);

pub(super) async fn send(smtp: &Smtp, message: &Message) -> Result<()> {
    let mail = compose(smtp, message)?;
    let transport = transport(smtp).await?;
    let failed = |cause: String| Error::new(ErrorKind::Unreachable, format!("mail: {cause}"));
    let sent = tokio::time::timeout(ALL_MAX, transport.send(mail)).await;
    let sent = sent.map_err(|_| failed(format!("{} s passed", ALL_MAX.as_secs())))?;
    sent.map(drop).map_err(|error| failed(error.to_string()))
}

fn compose(smtp: &Smtp, message: &Message) -> Result<lettre::Message> {
    let wrong = |cause: String| Error::new(ErrorKind::Configuration, format!("mail: {cause}"));
    let mailbox = |address: &String| {
        address.parse::<Mailbox>().map_err(|error| wrong(format!("{address:?}: {error}")))
    };
    let from = mailbox(&smtp.from)?;
    // The same when it is sent again, so that a mailbox shows it once.
    let id = format!("<{}@{}>", message.id, from.email.domain());
    let mut mail = lettre::Message::builder()
        .from(from)
        .message_id(Some(id))
        .subject(&message.subject)
        .date(message.time.into())
        .header(ContentType::TEXT_PLAIN);
    for address in &smtp.to {
        mail = mail.to(mailbox(address)?);
    }
    mail.body(format!("{}\n", message.text)).map_err(|error| wrong(error.to_string()))
}

async fn transport(smtp: &Smtp) -> Result<AsyncSmtpTransport<Tokio1Executor>> {
    let (tls, port) = match smtp.encryption {
        MailEncryption::Off => (Tls::None, 25),
        MailEncryption::Start => (Tls::Required(parameters(smtp).await?), 587),
        MailEncryption::Immediate => (Tls::Wrapper(parameters(smtp).await?), 465),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host)
        .port(smtp.port.unwrap_or(port))
        .tls(tls)
        .timeout(Some(ANSWER_MAX));
    if let Some((user, password)) = smtp.user.clone().zip(smtp.password()) {
        builder = builder.credentials(Credentials::new(user, fetch(password).await?));
    }
    Ok(builder.build())
}

async fn parameters(smtp: &Smtp) -> Result<TlsParameters> {
    let wrong = |cause: String| Error::new(ErrorKind::Configuration, format!("mail: {cause}"));
    let mut builder = TlsParameters::builder(smtp.host.clone());
    if let Some(path) = &smtp.ca_file {
        let unusable = |cause: String| wrong(format!("ca-file {}: {cause}", path.display()));
        let pem = http::certificates(path).await.map_err(|error| unusable(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem);
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| wrong(error.to_string()))
}
