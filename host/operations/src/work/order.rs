use std::collections::BTreeMap;

use lockgate_types::Name;

/// Puts names into an order in which each comes after those that it needs, and otherwise stays as it was. What needs itself,
/// by whatever way, comes as it was.
pub(super) fn order(names: &[Name], after: &BTreeMap<Name, Vec<Name>>) -> Vec<Name> {
    let mut ordered: Vec<Name> = Vec::with_capacity(names.len());
    let mut waiting: Vec<&Name> = names.iter().collect();
    while !waiting.is_empty() {
        let is_free = |name: &Name| {
            let needed = after.get(name).into_iter().flatten();
            needed.filter(|needed| names.contains(needed)).all(|needed| ordered.contains(needed))
        };
        let next = waiting.iter().position(|name| is_free(name)).unwrap_or(0);
        ordered.push(waiting.remove(next).clone());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<Name> {
        text.split_whitespace().map(|name| name.parse().expect("name")).collect()
    }

    #[test]
    fn what_is_needed_comes_first_and_the_rest_stays() {
        let after = BTreeMap::from([
            (names("marathon")[0].clone(), names("zookeeper")),
            (names("search")[0].clone(), names("shop absent")),
        ]);
        assert_eq!(
            order(&names("marathon search shop zookeeper"), &after),
            names("shop search zookeeper marathon")
        );
        assert_eq!(order(&names("search marathon"), &after), names("search marathon"));
    }

    #[test]
    fn a_circle_ends() {
        let (a, b) = (names("a")[0].clone(), names("b")[0].clone());
        let after = BTreeMap::from([(a.clone(), vec![b.clone()]), (b, vec![a])]);
        assert_eq!(order(&names("a b"), &after), names("a b"));
    }
}
