//! Attacks with what the plugin's own functions return.

use lockgate_plugin::{BackupPlan, Descriptor, Finding, Part, Severity, Step, Summary, attributes};

use crate::text::CONTROL;
use crate::{BYSTANDER, VICTIM};

/// Behaviours that are answers.
const ALL: [&str; 29] = [
    "descriptor-terminal",
    "descriptor-huge",
    "plan-twice",
    "plan-inside",
    "plan-parent",
    "plan-empty-name",
    "plan-huge-name",
    "plan-manifest",
    "plan-terminal",
    "plan-terminal-name",
    "plan-false-estimates",
    "plan-million",
    "plan-two-million",
    "plan-huge-mark",
    "plan-huge-attributes",
    "summary-huge",
    "summary-terminal",
    "summary-false",
    "findings-huge",
    "findings-terminal",
    "stages-twice",
    "stages-unknown",
    "stages-missing",
    "stages-million",
    "steps-terminal",
    "steps-huge",
    "fingerprint-huge",
    "fingerprint-terminal",
    "fingerprint-false",
];

pub fn has(behaviour: &str) -> bool {
    ALL.contains(&behaviour)
}

fn long() -> String {
    "x".repeat(17 << 20)
}

pub fn descriptor(behaviour: &str) -> Descriptor {
    let usual =
        Descriptor { name: "hostile".into(), version: "0.1.0".into(), ..Descriptor::default() };
    match behaviour {
        "descriptor-terminal" => Descriptor {
            datastore: CONTROL.into(),
            features: vec![CONTROL.into()],
            consistency: CONTROL.into(),
            not_saved: vec![CONTROL.into()],
            config_schema: CONTROL.into(),
            ..usual
        },
        "descriptor-huge" => Descriptor { consistency: long(), ..usual },
        _ => usual,
    }
}

pub fn plan(behaviour: &str) -> BackupPlan {
    let parts = |ids: &[&str]| ids.iter().map(|id| Part::new(*id, "text")).collect::<Vec<_>>();
    let usual = BackupPlan::new(parts(&[BYSTANDER, VICTIM]));
    let many = |count: u32| (0..count).map(|it| Part::new(format!("p{it}"), "")).collect();
    match behaviour {
        "plan-twice" => BackupPlan::new(parts(&[VICTIM, VICTIM])),
        "plan-inside" => BackupPlan::new(parts(&["victim/inner", VICTIM])),
        "plan-parent" => BackupPlan::new(parts(&["../victim"])),
        "plan-empty-name" => BackupPlan::new(parts(&[""])),
        "plan-huge-name" => BackupPlan::new(parts(&[&"victim".repeat(20_000)])),
        "plan-manifest" => BackupPlan::new(parts(&[".lockgate/manifest.json"])),
        "plan-terminal" => BackupPlan::new(parts(&[CONTROL])),
        "plan-terminal-name" => BackupPlan::new(parts(&["\u{1b}[2J\nlockgate: done\u{202e}"])),
        "plan-false-estimates" => {
            let mut plan = usual;
            for part in &mut plan.parts {
                (part.bytes_estimate, part.items_estimate) = (Some(u64::MAX), Some(u64::MAX));
                part.kind = CONTROL.to_owned();
            }
            plan.with_attribute(CONTROL, CONTROL)
        }
        // So many that they do not fit a message, and so many that they fit one and are too many all the same.
        "plan-million" => BackupPlan::new(many(300_000)),
        "plan-two-million" => BackupPlan::new(many(1_100_000)),
        "plan-huge-mark" => usual.with_mark(vec![7; 17 << 20]),
        "plan-huge-attributes" => usual.with_attribute("huge", long()),
        _ => usual,
    }
}

pub fn summary(behaviour: &str) -> Summary {
    let usual = Summary::of_items(1).with_fingerprint("live");
    match behaviour {
        "summary-huge" => usual.with_fingerprint(long()),
        "summary-terminal" => usual.with_fingerprint(CONTROL).with_attribute(CONTROL, CONTROL),
        "summary-false" => Summary::of_items(u64::MAX),
        _ => usual,
    }
}

pub fn findings(behaviour: &str) -> Vec<Finding> {
    match behaviour {
        "findings-huge" => vec![Finding::new(Severity::Ok, "huge", long())],
        "findings-terminal" => vec![
            Finding::new(Severity::Critical, CONTROL, CONTROL).with_attribute(CONTROL, CONTROL),
        ],
        _ => Vec::new(),
    }
}

pub fn stages(behaviour: &str, mut parts: Vec<Part>) -> Vec<Vec<Part>> {
    match behaviour {
        "stages-twice" => return vec![parts.clone(), parts],
        "stages-unknown" => parts.push(Part::new("never-archived", "text")),
        "stages-missing" => parts.retain(|part| part.id != VICTIM),
        "stages-million" => {
            parts = (0..300_000).map(|it| Part::new(format!("p{it}"), "")).collect()
        }
        _ => {}
    }
    vec![parts]
}

pub fn steps(behaviour: &str) -> Vec<Step> {
    match behaviour {
        "steps-terminal" => {
            let mut step = Step::new(CONTROL, CONTROL, CONTROL);
            step.attributes = attributes([(CONTROL, CONTROL)]);
            vec![step]
        }
        "steps-huge" => vec![Step::new("victim", long(), "")],
        _ => vec![Step::new("victim", "create", "here")],
    }
}

pub fn fingerprint(behaviour: &str) -> String {
    match behaviour {
        "fingerprint-huge" => long(),
        "fingerprint-terminal" => CONTROL.to_owned(),
        "fingerprint-false" => "another".to_owned(),
        _ => "live".to_owned(),
    }
}
