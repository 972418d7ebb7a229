//! What a plugin may really reach: what it asks for and what the operator gives.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_types::Name;

use crate::declaration::{CredentialRequest, EndpointRequest, FolderRequest};
use crate::permission::Wanted;
use crate::text::listed;
use crate::{
    Access, CredentialGrant, Declaration, EndpointGrant, FolderGrant, Grants, Limits, LimitsRequest,
};

/// One point in which the plugin's request and the operator's configuration do not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Mismatch {
    message: String,
    hint: String,
}

impl Mismatch {
    /// What to change in the configuration.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

/// What both sides name.
///
/// # Errors
/// Everything that the operator gives and the plugin did not ask for, and everything that the plugin cannot do without and the
/// operator does not give.
pub fn effective(
    declaration: &Declaration,
    given: &Grants,
    limits: &Limits,
) -> Result<(Grants, Limits), Vec<Mismatch>> {
    let mut sides = Sides { plugin: &declaration.name, mismatches: Vec::new() };
    let mut grants = given.clone();
    sides.endpoints(&declaration.endpoints, &given.endpoints);
    sides.folders(&declaration.folders, &given.folders);
    // Those of endpoints are between the operator and the host: the plugin never meets them.
    let of_endpoints: BTreeSet<&Name> =
        given.endpoints.values().filter_map(|endpoint| endpoint.credential.as_ref()).collect();
    let (hidden, mut answering): (BTreeMap<_, _>, BTreeMap<_, _>) =
        given.credentials.clone().into_iter().partition(|(name, _)| of_endpoints.contains(name));
    sides.credentials(&declaration.credentials, &mut answering);
    grants.credentials = answering.into_iter().chain(hidden).collect();
    for (what, request, is_given) in
        [("clock", &declaration.clock, given.clock), ("random", &declaration.random, given.random)]
    {
        match request {
            None if is_given => sides.surplus(
                &format!("{what} = true"),
                &BTreeSet::new(),
                &format!("take {what} out of the source"),
            ),
            Some(request) if !is_given && !request.optional => {
                sides.lack(what, &request.reason, &format!("add `{what} = true` to the source"))
            }
            _ => {}
        }
    }
    let limits = sides.limits(declaration.limits.as_ref(), limits);
    if sides.mismatches.is_empty() { Ok((grants, limits)) } else { Err(sides.mismatches) }
}

struct Sides<'a> {
    plugin: &'a Name,
    mismatches: Vec<Mismatch>,
}

impl Sides<'_> {
    fn add(&mut self, message: String, hint: &str) {
        self.mismatches.push(Mismatch { message, hint: hint.to_owned() });
    }

    fn surplus(&mut self, what: &str, asked: &BTreeSet<String>, hint: &str) {
        let asked = match asked.len() {
            0 => "it asks for nothing of that kind".to_owned(),
            _ => format!("it asks for {}", listed(asked.iter().cloned())),
        };
        let plugin = self.plugin;
        let message = format!(
            "the configuration gives {what}, which plugin {plugin} does not ask for; {asked}"
        );
        self.add(message, hint);
    }

    fn lack(&mut self, what: &str, reason: &str, hint: &str) {
        let plugin = self.plugin;
        let message = format!(
            "plugin {plugin} needs {what} (\"{reason}\"), and the configuration does not give it"
        );
        self.add(message, hint);
    }

    /// Compares names, and gives back each pair of a request and what is given for it.
    fn pair<'r, 'g, R, G>(
        &mut self,
        noun: &str,
        requests: &'r BTreeMap<Wanted, R>,
        given: &'g BTreeMap<Name, G>,
        why: impl Fn(&R) -> Option<&str>,
    ) -> Vec<(&'g Name, &'r R, &'g G)> {
        let asked: BTreeSet<String> = requests.keys().map(|it| it.words(noun)).collect();
        let mut pairs = Vec::new();
        for (name, grant) in given {
            let by_name = requests.get(&Wanted::Named(name.clone()));
            match by_name.or_else(|| requests.get(&Wanted::Any)) {
                Some(request) => pairs.push((name, request, grant)),
                None => self.surplus(
                    &format!("{noun} \"{name}\""),
                    &asked,
                    &format!("correct the name `{noun}s.{name}` in the source, or take it out"),
                ),
            }
        }
        for (wanted, request) in requests {
            let is_given = given.keys().any(|name| wanted.covers(name));
            if let Some(reason) = why(request).filter(|_| !is_given) {
                let (what, key) = match wanted {
                    Wanted::Any => (format!("at least one {noun}"), format!("{noun}s.NAME")),
                    Wanted::Named(name) => {
                        (format!("the {noun} \"{name}\""), format!("{noun}s.{name}"))
                    }
                };
                self.lack(&what, reason, &format!("add `{key} = {{ ... }}` to the source"));
            }
        }
        pairs
    }

    fn endpoints(
        &mut self,
        requests: &BTreeMap<Wanted, EndpointRequest>,
        given: &BTreeMap<Name, EndpointGrant>,
    ) {
        let pairs = self.pair("endpoint", requests, given, |it| reason(it.optional, &it.reason));
        for (name, request, grant) in pairs {
            if !request.encryption.contains(&grant.encryption) {
                let ways = listed(request.encryption.iter().map(|it| format!("{:?}", it.key())));
                let message = format!(
                    "endpoint \"{name}\" has encryption = {:?}, and plugin {} works with {ways}",
                    grant.encryption.key(),
                    self.plugin
                );
                self.add(message, "change `encryption` of the endpoint");
            }
            let ports = grant.members.iter().flat_map(|member| &member.ports);
            let is_asked = |port: &&u16| request.member_ports.iter().any(|it| it.contains(**port));
            let unasked: BTreeSet<String> =
                ports.filter(|port| !is_asked(port)).map(ToString::to_string).collect();
            if !unasked.is_empty() {
                let asked = listed(request.member_ports.iter().map(ToString::to_string));
                let message = format!(
                    "the members of endpoint \"{name}\" have port {}, and plugin {} asks for {asked}",
                    listed(unasked),
                    self.plugin
                );
                self.add(message, "take the ports out of the endpoint's `members`");
            }
        }
    }

    fn folders(
        &mut self,
        requests: &BTreeMap<Wanted, FolderRequest>,
        given: &BTreeMap<Name, FolderGrant>,
    ) {
        let pairs = self.pair("folder", requests, given, |it| reason(it.optional, &it.reason));
        for (name, request, grant) in pairs {
            if grant.access > request.access {
                let message = format!(
                    "the configuration gives folder \"{name}\" with access = \"read-write\", and plugin {} only reads it",
                    self.plugin
                );
                self.add(message, "take `access` out of the folder");
            }
            if grant.locks && request.locks.is_none() {
                let message = format!(
                    "the configuration lets plugin {} lock files in folder \"{name}\", which it does not ask for",
                    self.plugin
                );
                self.add(message, "take `locks = true` out of the folder");
            }
        }
    }

    fn credentials(
        &mut self,
        requests: &BTreeMap<Wanted, CredentialRequest>,
        given: &mut BTreeMap<Name, CredentialGrant>,
    ) {
        let before = given.clone();
        let pairs =
            self.pair("credential", requests, &before, |it| reason(it.optional, &it.reason));
        for (name, request, grant) in pairs {
            if grant.reveal && request.reveal.is_none() {
                let message = format!(
                    "the configuration lets plugin {} see the secret of credential \"{name}\", which it does not ask for",
                    self.plugin
                );
                self.add(message, "take `reveal = true` out of the credential");
            }
            let asked = &request.schemes;
            let schemes = grant.schemes.clone().unwrap_or_else(|| asked.iter().cloned().collect());
            if let Some(unasked) = schemes.iter().find(|scheme| !asked.contains(*scheme)) {
                let message = format!(
                    "credential \"{name}\" allows the scheme {unasked:?}, and plugin {} asks for {}",
                    self.plugin,
                    listed(asked.iter().cloned())
                );
                self.add(message, "correct `schemes` of the credential");
            }
            if let Some(credential) = given.get_mut(name) {
                credential.schemes = Some(schemes);
            }
        }
    }

    fn limits(&mut self, request: Option<&LimitsRequest>, given: &Limits) -> Limits {
        let mut limits = given.clone();
        let Some(request) = request else { return limits };
        for (limit, value) in request.named() {
            let allowed = limit.of(given);
            if value > allowed {
                let message = format!(
                    "plugin {} needs {} (\"{}\"), and the configuration allows {}",
                    self.plugin,
                    limit.words(value),
                    request.reason,
                    limit.words(allowed)
                );
                self.add(message, &format!("set `limits.{} = {value}` in the source", limit.key()));
            }
            limit.lower(&mut limits, value);
        }
        limits
    }
}

fn reason(is_optional: bool, reason: &str) -> Option<&str> {
    (!is_optional).then_some(reason)
}

impl Grants {
    /// The same with every folder read-only.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.folders.values_mut().for_each(|folder| folder.access = Access::Read);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(text: &str) -> Declaration {
        let head = "name = 'x'\nversion = '1.2.3'\nsummary = 'Saves x'\n";
        Declaration::parse(format!("{head}{text}").as_bytes()).unwrap()
    }

    fn given(text: &str) -> Grants {
        toml::from_str(text).unwrap()
    }

    fn mismatches(declared_text: &str, given_text: &str) -> Vec<String> {
        effective(&declared(declared_text), &given(given_text), &Limits::default())
            .unwrap_err()
            .iter()
            .map(|it| format!("{it}; {}", it.hint()))
            .collect()
    }

    const ENDPOINT: &str = "[endpoints.server]\nprotocol = 'x'\nencryption = ['start']\nmember-ports = ['7000-7001']\nreason = 'asks it'\n";
    const CREDENTIAL: &str =
        "[credentials.account]\nschemes = ['md5', 'plain']\nreason = 'logs in'\n";

    #[test]
    fn what_both_sides_name_is_effective() {
        let text =
            format!("{ENDPOINT}{CREDENTIAL}[limits]\nmemory-bytes = 1048576\nreason = 'x'\n");
        let given = given(
            "endpoints.server = { address = 'a:1', members = [{ network = '10.0.0.0/8', ports = [7001] }] }\n\
             credentials.account = { principal = 'p', secret-file = '/s', schemes = ['md5'] }",
        );
        let (grants, limits) = effective(&declared(&text), &given, &Limits::default()).unwrap();
        assert_eq!(grants.endpoints, given.endpoints);
        assert_eq!(limits, Limits { memory_bytes: 1 << 20, ..Limits::default() });
        let schemes = |grants: &Grants| grants.credentials.values().next()?.schemes.clone();
        assert_eq!(schemes(&grants), Some(vec!["md5".to_owned()]));
        let mut all = given;
        all.credentials.values_mut().for_each(|it| it.schemes = None);
        let (grants, _) = effective(&declared(&text), &all, &Limits::default()).unwrap();
        assert_eq!(schemes(&grants), Some(vec!["md5".to_owned(), "plain".to_owned()]));
    }

    #[test]
    fn a_credential_of_an_endpoint_is_not_the_plugins_to_ask_for() {
        let text = ENDPOINT.replace("'x'", "'http'").replace("'start'", "'immediate'");
        let given = given(
            "endpoints.server = { address = 'a:1', encryption = 'immediate', credential = 'account', scheme = 'basic' }\n\
             credentials.account = { principal = 'p', secret-file = '/s' }",
        );
        let (grants, _) = effective(&declared(&text), &given, &Limits::default()).unwrap();
        assert_eq!(grants, given);
        let asks = declared(&format!("{text}{CREDENTIAL}"));
        assert!(effective(&asks, &given, &Limits::default()).is_err());
    }

    #[test]
    fn what_is_given_and_not_asked_for_is_named() {
        assert_eq!(
            mismatches(ENDPOINT, "endpoints.db = { address = 'a:1' }")[0],
            "the configuration gives endpoint \"db\", which plugin x does not ask for; it asks for the endpoint \
             \"server\"; correct the name `endpoints.db` in the source, or take it out"
        );
        for (declared, given, part) in [
            ("", "clock = true", "gives clock = true, which plugin x does not ask for"),
            ("", "random = true", "gives random = true"),
            ("", "folders.a = { path = '/a' }", "asks for nothing of that kind"),
            (
                "[folders.'*']\nreason = 'x'",
                "folders.a = { path = '/a', access = 'read-write' }",
                "only reads it",
            ),
            (
                "[folders.'*']\nreason = 'x'",
                "folders.a = { path = '/a', locks = true }",
                "lock files in folder \"a\", which it does not ask for",
            ),
            (
                CREDENTIAL,
                "credentials.account = { principal = 'p', secret-file = '/s', reveal = true }",
                "see the secret of credential \"account\", which it does not ask for",
            ),
            (
                CREDENTIAL,
                "credentials.account = { principal = 'p', secret-file = '/s', schemes = ['x'] }",
                "allows the scheme \"x\", and plugin x asks for md5 and plain",
            ),
            (
                ENDPOINT,
                "endpoints.server = { address = 'a:1', encryption = 'off' }",
                "has encryption = \"off\", and plugin x works with \"start\"",
            ),
            (
                ENDPOINT,
                "endpoints.server = { address = 'a:1', members = [{ network = '10.0.0.0/8', ports = [22] }] }",
                "have port 22, and plugin x asks for 7000-7001",
            ),
        ] {
            let found = mismatches(declared, given);
            assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
        }
    }

    #[test]
    fn what_is_needed_and_not_given_is_named_with_the_reason() {
        assert_eq!(
            mismatches(ENDPOINT, "")[0],
            "plugin x needs the endpoint \"server\" (\"asks it\"), and the configuration does not give it; \
             add `endpoints.server = { ... }` to the source"
        );
        assert!(mismatches("[folders.'*']\nreason = 'y'", "")[0].contains("at least one folder"));
        assert!(mismatches("[clock]\nreason = 'y'", "")[0].contains("`clock = true`"));
        assert_eq!(mismatches(&format!("{ENDPOINT}{CREDENTIAL}"), "").len(), 2);
        let memory = "[limits]\nmemory-bytes = 1073741824\nreason = 'big rows'";
        assert_eq!(
            mismatches(memory, "")[0],
            "plugin x needs 1024 MiB of memory (\"big rows\"), and the configuration allows 256 MiB of memory; \
             set `limits.memory-bytes = 1073741824` in the source"
        );
        for optional in
            ["[clock]\noptional = true\nreason = 'y'", "[folders.a]\noptional = true\nreason = 'y'"]
        {
            assert!(effective(&declared(optional), &Grants::default(), &Limits::default()).is_ok());
        }
    }
}
