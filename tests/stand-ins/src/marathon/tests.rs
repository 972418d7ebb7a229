use super::*;

struct Asked {
    marathon: Box<dyn Service>,
    _folder: tempfile::TempDir,
}

fn started() -> Asked {
    let folder = tempfile::tempdir().unwrap();
    Asked { marathon: start(folder.path()).unwrap(), _folder: folder }
}

impl Asked {
    fn ask(&self, method: &str, target: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request =
            Request { method: method.into(), target: target.into(), headers: Vec::new(), body };
        let answer = self.marathon.answer(&request).unwrap();
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }
}

#[test]
fn a_change_locks_what_it_changes_until_it_is_deployed() {
    let marathon = started();
    let app = json!({ "id": "/a/b", "cmd": "sleep 1" });
    assert_eq!(marathon.ask("POST", "/v2/apps", &app).0, 201);
    let (status, said) = marathon.ask("PUT", "/v2/apps/a/b", &json!({ "instances": 3 }));
    assert_eq!(status, 409, "{said}");
    assert_eq!(said["deployments"].as_array().unwrap().len(), 1);
    assert_eq!(marathon.ask("PUT", "/v2/apps/a/b?force=true", &json!({ "instances": 3 })).0, 200);
    std::thread::sleep(std::time::Duration::from_millis(DEPLOYMENT_MS as u64 + 20));
    assert_eq!(marathon.ask("GET", "/v2/deployments", &Value::Null).1, json!([]));
    let shown = marathon.ask("GET", "/v2/apps/a/b", &Value::Null).1;
    assert_eq!((&shown["app"]["instances"], &shown["app"]["cmd"]), (&json!(3), &json!("sleep 1")));
    // More than any machine has is never deployed.
    marathon.ask("PUT", "/v2/apps/a/b", &json!({ "cpus": 1000 }));
    std::thread::sleep(std::time::Duration::from_millis(DEPLOYMENT_MS as u64 + 20));
    assert_eq!(marathon.ask("GET", "/v2/deployments", &Value::Null).1.as_array().unwrap().len(), 1);
    assert_eq!(
        marathon.ask("GET", "/v2/queue", &Value::Null).1["queue"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn what_marathon_refuses_is_refused_with_the_place() {
    let marathon = started();
    for (app, status, path) in [
        (json!({ "id": "/A", "cmd": "x" }), 422, "/id"),
        (json!({ "id": "/a" }), 422, "/"),
        (json!({ "id": "/a", "cmd": "x", "args": ["x"] }), 422, "/"),
        (json!({ "id": "/a", "cmd": "x", "cpus": -1 }), 422, "/cpus"),
        (json!({ "id": "/a", "cmd": 7 }), 400, "/cmd"),
        (json!({ "id": "/a", "cmd": "x", "ports": [1], "portDefinitions": [] }), 422, "/"),
        (json!({ "id": "/a", "cmd": "x", "env": { "P": { "secret": "s" } } }), 422, "/env(P)"),
        (json!({ "id": "/a", "cmd": "x", "dependencies": ["/a"] }), 422, "/"),
    ] {
        let (found, said) = marathon.ask("POST", "/v2/apps", &app);
        assert_eq!(
            (found, said["details"][0]["path"].as_str()),
            (status, Some(path)),
            "{app} {said}"
        );
    }
    let outside = json!({ "id": "/g", "apps": [{ "id": "/other", "cmd": "x" }] });
    let (status, said) = marathon.ask("PUT", "/v2/groups", &outside);
    assert_eq!((status, &said["details"][0]["path"]), (422, &json!("/apps(0)/id")));
    assert_eq!(marathon.ask("GET", "/v2/groups/g", &Value::Null).0, 404);
    assert_eq!(marathon.ask("POST", "/v2/pods", &json!({ "id": "/p", "containers": [] })).0, 422);
}

#[test]
fn an_update_of_a_group_replaces_its_lists_and_keeps_its_pods() {
    let marathon = started();
    let pod = json!({ "id": "/g/p", "containers": [{ "name": "c", "resources": { "cpus": 1, "mem": 32 } }] });
    assert_eq!(marathon.ask("POST", "/v2/pods", &pod).0, 201);
    let group = json!({ "id": "/g", "apps": [{ "id": "a", "cmd": "x" }], "groups": [{ "id": "h", "apps": [{ "id": "b", "cmd": "x" }] }] });
    assert_eq!(marathon.ask("PUT", "/v2/groups", &group).0, 200);
    let shown = marathon.ask("GET", "/v2/groups/g", &Value::Null).1;
    let ids = [
        &shown["apps"][0]["id"],
        &shown["groups"][0]["apps"][0]["id"],
        &shown["pods"][0]["spec"]["id"],
    ];
    assert_eq!(ids, [&json!("/g/a"), &json!("/g/h/b"), &json!("/g/p")]);
    let version = shown["apps"][0]["version"].clone();
    let group = json!({ "apps": [{ "id": "a", "cmd": "x" }], "groups": [] });
    assert_eq!(marathon.ask("PUT", "/v2/groups/g?force=true", &group).0, 200);
    let shown = marathon.ask("GET", "/v2/groups/g", &Value::Null).1;
    assert_eq!(shown["groups"], json!([]));
    assert_eq!(shown["apps"][0]["version"], version, "what did not change has its version");
    assert_eq!(shown["pods"].as_array().unwrap().len(), 1);
}

#[test]
fn a_group_that_enforces_its_role_takes_no_other() {
    let marathon = started();
    assert_eq!(marathon.ask("POST", "/v2/apps", &json!({ "id": "/g/old", "cmd": "x" })).0, 201);
    assert_eq!(marathon.ask("PATCH", "/v2/groups/g", &json!({ "enforceRole": true })).0, 200);
    assert_eq!(
        marathon.ask("POST", "/v2/apps", &json!({ "id": "/g/a", "cmd": "x", "role": "*" })).0,
        422
    );
    let (status, made) = marathon.ask("POST", "/v2/apps", &json!({ "id": "/g/b", "cmd": "x" }));
    assert_eq!((status, &made["role"]), (201, &json!("g")));
    let group = json!({ "enforceRole": true, "apps": [{ "id": "n", "cmd": "x", "role": "*" }] });
    assert_eq!(marathon.ask("PUT", "/v2/groups/h", &group).0, 422);
    assert_eq!(marathon.ask("PATCH", "/v2/groups/g/h", &json!({ "enforceRole": true })).0, 422);
}

#[test]
fn it_is_after_a_kill_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |marathon: &dyn Service, method: &str, target: &str, body: &str| {
        let request = Request {
            method: method.into(),
            target: target.into(),
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        };
        String::from_utf8(marathon.answer(&request).unwrap().body).unwrap()
    };
    let marathon = start(folder.path()).unwrap();
    ask(&*marathon, "POST", "/v2/apps", r#"{"id":"/a","cmd":"x","cpus":1000}"#);
    ask(&*marathon, "POST", "/v2/apps", r#"{"id":"/A"}"#);
    let all = ["/v2/groups", "/v2/apps", "/v2/deployments"];
    let before = all.map(|target| ask(&*marathon, "GET", target, ""));
    drop(marathon);
    let marathon = start(folder.path()).unwrap();
    assert_eq!(all.map(|target| ask(&*marathon, "GET", target, "")), before);
}

#[test]
fn who_asks_has_to_say_who() {
    let folder = tempfile::tempdir().unwrap();
    let marathon = start(folder.path()).unwrap();
    let ask = |authorization: &str| {
        let headers = vec![("authorization".to_owned(), authorization.to_owned())];
        let request =
            Request { method: "GET".into(), target: "/v2/info".into(), headers, body: Vec::new() };
        marathon.answer(&request).unwrap().status
    };
    assert_eq!(ask(""), 200);
    fs::write(folder.path().join("account"), "basic backup hunter2").unwrap();
    assert_eq!((ask(""), ask("Basic YmFja3VwOmh1bnRlcjI=")), (401, 200));
    fs::write(folder.path().join("account"), "token abc").unwrap();
    assert_eq!((ask("Bearer abc"), ask("token=abc")), (401, 200));
}
