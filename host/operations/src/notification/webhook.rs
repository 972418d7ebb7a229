//! A request with a JSON body, signed as Standard Webhooks 1.0.0 describes it
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use lockgate_engine::configuration::Webhook;
use sha2::Sha256;

use super::deliver::fetch;
use super::{Message, http};
use crate::{Error, ErrorKind, Result};

/// What a key begins with whose rest is base64.
const KEY_PREFIX: &str = "whsec_";

pub(super) async fn send(webhook: &Webhook, message: &Message) -> Result<()> {
    let failed = |error: String| Error::new(ErrorKind::Failed, error);
    let body = serde_json::to_string(message).map_err(|error| failed(error.to_string()))?;
    let url = http::url(webhook.url.as_ref(), webhook.url_file.as_ref()).await?;
    let time = Timestamp::now().as_second();
    let mut request = http::client(webhook.ca_file.as_ref())
        .await?
        .post(url)
        .header("content-type", "application/json")
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", time);
    if let Some(secret) = webhook.secret() {
        let signature = sign(&fetch(secret).await?, &message.id, time, &body)?;
        request = request.header("webhook-signature", signature);
    }
    http::send(request.body(body)).await
}

/// HMAC-SHA256 of id, time and body.
fn sign(secret: &str, id: &str, time: i64, body: &str) -> Result<String> {
    let wrong = |cause: String| {
        Error::new(ErrorKind::Configuration, format!("key of the webhook's signatures: {cause}"))
    };
    let key = match secret.strip_prefix(KEY_PREFIX) {
        Some(encoded) => STANDARD.decode(encoded).map_err(|error| wrong(error.to_string()))?,
        None => secret.as_bytes().to_vec(),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| wrong(error.to_string()))?;
    mac.update(format!("{id}.{time}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_standard_webhooks() -> Result<()> {
        // The example of the reference libraries' tests.
        let signature = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            "{\"test\": 2432232314}",
        )?;
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(sign("whsec_%%%", "a", 1, "").is_err());
        Ok(())
    }
}
