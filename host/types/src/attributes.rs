use std::collections::BTreeMap;

/// Named facts that a plugin attaches to a part, an entry or a finding, in the order of their keys.
pub type Attributes = BTreeMap<String, String>;
