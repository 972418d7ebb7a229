use jiff::civil::date;
use lockgate_trust::{Lock, Policy, Refusal, Root, Rule};

use crate::stage::{key, locked, policy, release, root, verdict};

const CLOCK: &str = "[clock]\nreason = 'waits'\n";

/// The refusal's own words, and the command that it proposes.
fn said(refusal: &Refusal) -> String {
    format!("{refusal}; {}", refusal.hint("x"))
}

#[test]
fn what_was_accepted_runs_and_what_was_not_does_not() {
    let policy = Policy::default();
    let one = release("x", "1.0.0", CLOCK, &[]);
    assert_eq!(verdict(&policy, &locked(&policy, &one), &one), Ok(()));
    let refusal = verdict(&policy, &Lock::default(), &one).unwrap_err();
    assert_eq!(refusal, Refusal::NotLocked);
    assert!(said(&refusal).contains("`lockgate plugin lock x`"));
    let other = locked(&policy, &release("y", "1.0.0", CLOCK, &[]));
    assert_eq!(verdict(&policy, &other, &one), Err(Refusal::NotLocked));
}

#[test]
fn a_changed_component_is_refused_with_both_digests() {
    let policy = Policy::default();
    let old = release("x", "1.0.0", "", &[]);
    let lock = locked(&policy, &old);
    let rebuilt = release("x", "1.0.0", "# rebuilt", &[]);
    let text = said(&verdict(&policy, &lock, &rebuilt).unwrap_err());
    for part in [
        old.admitted.digest.to_string(),
        rebuilt.admitted.digest.to_string(),
        "both say version 1.0.0".to_owned(),
        "`lockgate plugin update x`".to_owned(),
    ] {
        assert!(text.contains(&part), "{text}");
    }
    let newer = verdict(&policy, &lock, &release("x", "1.0.1", "", &[])).unwrap_err();
    assert!(newer.to_string().contains("version 1.0.0 became 1.0.1"), "{newer}");
}

#[test]
fn a_wider_request_is_refused_with_the_difference_and_a_narrower_one_is_a_change() {
    let policy = Policy::default();
    let lock = locked(&policy, &release("x", "1.0.0", CLOCK, &[]));
    let wider = release(
        "x",
        "1.1.0",
        &format!("{CLOCK}[folders.'*']\naccess = 'read-write'\nreason = 'y'\n"),
        &[],
    );
    assert_eq!(
        said(&verdict(&policy, &lock, &wider).unwrap_err()),
        "it asks for more than what was locked. It now also wants to read any folder that you name, and change it during a \
         restore; if it may: `lockgate plugin grant x`; if not, put the old version back"
    );
    let narrower = release("x", "1.1.0", "", &[]);
    assert!(matches!(verdict(&policy, &lock, &narrower), Err(Refusal::Changed { .. })));
}

#[test]
fn a_downgrade_is_refused_even_when_it_asks_for_less() {
    let policy = Policy::default();
    let lock = locked(&policy, &release("x", "1.10.0", CLOCK, &[]));
    let refusal = verdict(&policy, &lock, &release("x", "1.9.0", "", &[])).unwrap_err();
    assert!(matches!(refusal, Refusal::Downgraded { .. }));
    assert!(said(&refusal).contains("1.9.0 is older than the locked 1.10.0"), "{refusal}");
    assert!(said(&refusal).contains("--allow-downgrade"));
}

#[test]
fn a_replayed_release_is_refused_although_its_signature_is_genuine() {
    let signer = key();
    let policy = policy(Rule::Any, &[("vendor", root(&signer))]);
    let old = release("x", "1.0.0", "", &[&signer]);
    let lock = locked(&policy, &release("x", "1.0.1", "", &[&signer]));
    let refusal = verdict(&policy, &lock, &old).unwrap_err();
    assert!(matches!(refusal, Refusal::Replayed { .. }));
    assert!(refusal.to_string().contains("its signature by vendor is genuine"), "{refusal}");
}

#[test]
fn a_stripped_signature_is_refused() {
    let signer = key();
    let demanding = policy(Rule::Any, &[("vendor", root(&signer))]);
    let one = release("x", "1.0.0", "", &[&signer]);
    let lock = locked(&demanding, &one);
    let stripped = one.stripped();
    let refusal = verdict(&demanding, &lock, &stripped).unwrap_err();
    assert_eq!(refusal, Refusal::SignatureMissing { needed: 1 });
    // Also when nothing is demanded any more, because the lock file remembers who signed.
    let refusal = verdict(&Policy::default(), &lock, &stripped).unwrap_err();
    assert_eq!(refusal, Refusal::SignerChanged { missing: vec![signer.public().id()] });
    assert!(refusal.to_string().contains("stripped or replaced"), "{refusal}");
}

#[test]
fn a_swapped_signature_is_refused_with_both_names() {
    let signer = key();
    let policy = policy(Rule::Any, &[("vendor", root(&signer))]);
    let one = release("x", "1.0.0", "", &[&signer]);
    let lock = locked(&policy, &one);
    let swapped = one.beside(&release("y", "2.0.0", "", &[&signer]));
    let refusal = verdict(&policy, &lock, &swapped).unwrap_err();
    assert!(matches!(refusal, Refusal::SignatureOfAnother { .. }));
    assert!(refusal.to_string().contains("of another component: of y 2.0.0"), "{refusal}");
    // Equal name and version, another component.
    let swapped = release("x", "1.0.0", "", &[]).beside(&release("x", "1.0.0", CLOCK, &[&signer]));
    let refusal = verdict(&policy, &lock, &swapped).unwrap_err();
    assert!(matches!(refusal, Refusal::SignatureOfAnother { .. }));
}

#[test]
fn keys_that_are_unknown_revoked_or_expired_do_not_count() {
    let (signer, other) = (key(), key());
    let one = release("x", "1.0.0", "", &[&signer]);
    let lock = locked(&Policy::default(), &one);
    let refusal = |root: Root| {
        let policy = policy(Rule::Any, &[("vendor", root)]);
        verdict(&policy, &lock, &one).unwrap_err()
    };
    assert_eq!(refusal(root(&other)), Refusal::UnknownSigner(signer.public().id()));
    let revoked = Root { revoked: true, ..root(&signer) };
    assert_eq!(refusal(revoked), Refusal::Revoked("vendor".parse().unwrap()));
    let day = date(2026, 11, 20);
    let expired = Root { expires: Some(day), ..root(&signer) };
    assert_eq!(refusal(expired), Refusal::Expired("vendor".parse().unwrap(), day));
    let last_day = Root { expires: Some(crate::stage::TODAY), ..root(&signer) };
    let policy = policy(Rule::Any, &[("vendor", last_day)]);
    assert_eq!(verdict(&policy, &lock, &one), Ok(()));
}

#[test]
fn what_is_locked_outlives_its_key_unless_the_key_is_revoked() {
    let signer = key();
    let one = release("x", "1.0.0", "", &[&signer]);
    let lock = locked(&policy(Rule::Any, &[("vendor", root(&signer))]), &one);
    let expired = Root { expires: Some(date(2026, 1, 1)), ..root(&signer) };
    let policy_now = policy(Rule::Any, &[("vendor", expired.clone())]);
    assert_eq!(verdict(&policy_now, &lock, &one), Ok(()));
    let newer = release("x", "1.0.1", "", &[&signer]);
    assert!(matches!(verdict(&policy_now, &lock, &newer), Err(Refusal::Expired(..))));
    let revoked = policy(Rule::Any, &[("vendor", Root { revoked: true, ..expired })]);
    assert!(matches!(verdict(&revoked, &lock, &one), Err(Refusal::Revoked(_))));
}

#[test]
fn the_rule_says_how_many_must_have_signed() {
    let (a, b, c) = (key(), key(), key());
    let roots = [("a", root(&a)), ("b", root(&b)), ("c", root(&c))];
    for (rule, signed, is_enough) in [
        (Rule::Any, vec![&b], true),
        (Rule::Minimum(2), vec![&a, &c], true),
        (Rule::Minimum(2), vec![&a], false),
        (Rule::Minimum(2), vec![&a, &a], false),
        (Rule::All, vec![&a, &b, &c], true),
        (Rule::All, vec![&a, &b], false),
    ] {
        let policy = policy(rule, &roots);
        policy.check().unwrap();
        let one = release("x", "1.0.0", "", &signed);
        let signers = policy.signers(&one.candidate(), crate::stage::TODAY, &[]);
        assert_eq!(signers.is_ok(), is_enough, "{rule:?} {signers:?}");
        if let Err(refusal) = signers {
            assert!(matches!(refusal, Refusal::TooFewSigners { .. }), "{refusal}");
        }
    }
}

#[test]
fn policies_that_cannot_be_met_are_refused() {
    let one = key();
    assert!(policy(Rule::Minimum(2), &[("a", root(&one))]).check().is_err());
    assert!(policy(Rule::Minimum(1), &[]).check().is_err());
    assert!(policy(Rule::Any, &[("a", root(&one)), ("b", root(&one))]).check().is_err());
    let revoked = Root { revoked: true, ..root(&one) };
    assert!(policy(Rule::All, &[("a", revoked.clone())]).check().is_err());
    assert!(policy(Rule::Any, &[("a", revoked)]).check().is_err());
    Policy::default().check().unwrap();
}
