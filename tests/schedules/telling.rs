//! Who is told of what.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lockgate_api::JobState;
use sha2::Sha256;

use crate::place::{PATIENCE, Place, runtime, usual};
use crate::receivers::{Http, mail};

#[test]
fn a_webhook_is_signed_tried_again_and_led_nowhere_else() -> Result<()> {
    let place = Place::new()?;
    let receiver = Http::start()?;
    fs::write(place.site.path("key"), "a key that both know\n")?;
    let text = format!(
        "[notifications.hook]\non = [\"failure\", \"success\"]\nwebhook = {{ url = \"{}/hook\", secret-file = \"{}\" }}\n",
        receiver.url(),
        place.site.text("key")
    );
    runtime()?.block_on(async {
        let service = place.service(&text, usual()).await?;
        receiver.answer_first(&[500, 302])?;
        let job = service.backup("home").await?;
        let first = receiver.next("success")?;
        for _ in 0..2 {
            let again = receiver.any()?;
            ensure!(again.url == "/hook" && again.body == first.body, "{again:?}");
            ensure!(again.header("webhook-id")? == first.header("webhook-id")?, "{again:?}");
        }
        let told = first.json()?;
        ensure!(
            told["job"]["id"] == job.id.to_string() && told["job"]["state"] == "DONE",
            "{told}"
        );
        ensure!(told["subject"] == "lockgate on here: backup of home: done", "{told}");
        let mut mac = Hmac::<Sha256>::new_from_slice(b"a key that both know")?;
        let (id, time) = (first.header("webhook-id")?, first.header("webhook-timestamp")?);
        mac.update(format!("{id}.{time}.{}", first.body).as_bytes());
        let code = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        ensure!(first.header("webhook-signature")? == format!("v1,{code}"), "{first:?}");

        ensure!(service.backup("lost").await?.state == JobState::Error);
        let told = receiver.next("failure")?.json()?;
        ensure!(told["text"].as_str().is_some_and(|text| text.contains("FAILED")), "{told}");
        service.stop().await;
        ensure!(receiver.is_empty(), "something was told twice");
        Ok(())
    })
}

#[test]
fn a_ping_is_called_at_the_beginning_and_at_the_end_of_its_schedule() -> Result<()> {
    let place = Place::new()?;
    let receiver = Http::start()?;
    let text = format!(
        "[schedules.good]\ncron = \"0 0 1 1 *\"\nbackup = \"home\"\n\
         [schedules.bad]\ncron = \"0 0 1 1 *\"\nbackup = \"lost\"\n\
         [notifications.check]\nschedules = [\"good\", \"bad\"]\nping = {{ url = \"{}/uuid\" }}\n",
        receiver.url()
    );
    runtime()?.block_on(async {
        let service = place.service(&text, usual()).await?;
        // It is of no schedule.
        service.backup("home").await?;
        for (schedule, endings) in [("good", ["/start", ""]), ("bad", ["/start", "/fail"])] {
            let job = service.run_now(schedule).await?;
            for ending in endings {
                let call = receiver.any()?;
                ensure!(call.url == format!("/uuid{ending}?rid={}", job.id), "{call:?}");
            }
        }
        service.stop().await;
        ensure!(receiver.is_empty(), "something was told twice");
        Ok(())
    })
}

#[test]
fn mail_has_one_subject_and_no_other_receivers() -> Result<()> {
    let place = Place::new()?;
    let (port, mails) = mail()?;
    let text = format!(
        "[notifications.mail]\non = [\"failure\"]\nsmtp = {{ host = \"127.0.0.1\", port = {port}, \
         encryption = \"off\", from = \"backup@example.com\", to = [\"ops@example.com\"] }}\n"
    );
    runtime()?.block_on(async {
        let service = place.service(&text, usual()).await?;
        service.backup("lost").await?;
        let mail = mails.recv_timeout(PATIENCE).context("no mail")?;
        let has = |begin: &str| mail.iter().filter(|line| line.starts_with(begin)).count();
        ensure!(has("MAIL FROM:<backup@example.com>") == 1, "{mail:?}");
        ensure!(has("RCPT TO:") == 1 && has("RCPT TO:<ops@example.com>") == 1, "{mail:?}");
        ensure!(has("Subject: lockgate on here: backup of lost: FAILED") == 1, "{mail:?}");
        ensure!(has("To: ops@example.com") == 1 && has("Message-ID: <") == 1, "{mail:?}");
        service.stop().await;
        Ok(())
    })
}

#[test]
fn what_is_overdue_or_unreachable_is_told_once_and_once_when_it_is_over() -> Result<()> {
    let place = Place::new()?;
    let receiver = Http::start()?;
    let text = |on: &str| {
        let hook = format!(
            "[notifications.hook]\non = [\"{on}\"]\nwebhook = {{ url = \"{}/hook\" }}\n",
            receiver.url()
        );
        // The last source of the configuration gets one more key.
        format!("fresh-hours = 26\n{hook}")
    };
    runtime()?.block_on(async {
        // `lost` has never been saved.
        let service = place.service(&text("overdue"), usual()).await?;
        let told = receiver.next("overdue")?.json()?;
        ensure!(told["is_over"] == false, "{told}");
        ensure!(told["text"].as_str().is_some_and(|text| text.contains("There is none")), "{told}");
        service.stop().await;

        // Now it is there; and it is not told again that it was not.
        fs::create_dir(place.site.path("nowhere"))?;
        let service = place.service(&text("overdue"), usual()).await?;
        ensure!(service.backup("lost").await?.state == JobState::Done);
        let told = receiver.next("overdue")?.json()?;
        ensure!(told["is_over"] == true, "{told}");
        service.stop().await;

        let repository = place.site.repository_folder().context("a folder")?.to_owned();
        let away = place.site.path("away");
        fs::rename(&repository, &away)?;
        for _ in 0..2 {
            place.service(&text("unreachable"), usual()).await?.stop_after_a_look().await;
        }
        fs::rename(&away, &repository)?;
        let service = place.service(&text("unreachable"), usual()).await?;
        for is_over in [false, true] {
            let told = receiver.next("unreachable")?.json()?;
            ensure!(told["is_over"] == is_over, "{told}");
            ensure!(told["subject"].as_str().is_some_and(|it| it.contains("main")), "{told}");
        }
        service.stop().await;
        ensure!(receiver.is_empty(), "something was told twice");
        Ok(())
    })
}
