//! What is in the target now, under the names that it had in the archive.

use std::collections::BTreeSet;

use lockgate_plugin::Part;

use crate::catalog::definition::{self, sign};
use crate::catalog::{Catalog, Definition, Stage};
use crate::rename::{Renames, own_name};

/// Digits of one sign: [`definition::sign`].
const SIGN_DIGITS: usize = 12;

/// The signs of all addresses that a part of definitions holds.
pub fn signs(part: &Part) -> BTreeSet<String> {
    let text = part.attribute("objects").unwrap_or_default();
    let count = text.len() / SIGN_DIGITS;
    (0..count)
        .filter_map(|index| text.get(index * SIGN_DIGITS..(index + 1) * SIGN_DIGITS))
        .map(str::to_owned)
        .collect()
}

/// The fingerprint of those live definitions that the archive has, as it would be under their old names.
pub fn fingerprint(
    catalog: &Catalog,
    stages: &[Stage],
    renames: &mut Renames,
    signs: &BTreeSet<String>,
) -> String {
    let back = backwards(renames, catalog, signs);
    let old: Vec<Definition> =
        catalog.definitions.iter().map(|definition| back.apply(definition)).collect();
    let is_archived = |definition: &&Definition| {
        stages.contains(&definition.stage) && signs.contains(&sign(&definition.address))
    };
    definition::fingerprint(old.iter().filter(is_archived))
}

/// The way from live to archived names.
fn backwards(renames: &Renames, catalog: &Catalog, signs: &BTreeSet<String>) -> Renames {
    let mut back = Renames::default();
    back.learn(catalog.definitions.iter());
    if renames.is_empty() {
        return back;
    }
    back.schemas = renames.schemas.iter().map(|(old, new)| (new.clone(), old.clone())).collect();
    back.objects = renames.objects.iter().map(|(old, new)| (new.clone(), old.clone())).collect();
    for definition in &catalog.definitions {
        let (Some(table), Some(name)) = (&definition.table, own_name(definition)) else { continue };
        let Some((schema, old_table)) = back.objects.get(table).cloned() else { continue };
        let behind = name.strip_prefix(&table.1).map(|rest| format!("{old_table}{rest}"));
        let before = name.strip_suffix(&format!("_{}", table.1)).map(str::to_owned);
        let key = (table.0.clone(), name);
        for candidate in behind.into_iter().chain(before) {
            let mut guess = back.clone();
            guess.objects.insert(key.clone(), (schema.clone(), candidate.clone()));
            if signs.contains(&sign(&guess.rewrite(&definition.address, &definition.schema))) {
                back = guess;
                break;
            }
        }
    }
    back
}
