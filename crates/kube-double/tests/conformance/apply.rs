//! Server-side apply: who owns what, what is taken away, what is refused.

use crate::cluster::{Cluster, deployment, map, object, refusal, value, widget};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

async fn apply(
    api: &Api<DynamicObject>,
    manager: &str,
    object: &DynamicObject,
) -> Result<Value, kube::Error> {
    let name = object.metadata.name.clone().expect("a name");
    api.patch(&name, &PatchParams::apply(manager), &Patch::Apply(object)).await.map(|object| value(&object))
}

async fn force(api: &Api<DynamicObject>, manager: &str, object: &DynamicObject) -> Value {
    let name = object.metadata.name.clone().expect("a name");
    let params = PatchParams::apply(manager).force();
    value(&api.patch(&name, &params, &Patch::Apply(object)).await.expect("taken over"))
}

fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let said = |entry: &Value| {
        format!("{} {}", entry["manager"].as_str().unwrap(), entry["operation"].as_str().unwrap())
    };
    let mut all: Vec<_> = entries.iter().map(said).collect();
    all.sort();
    all
}

#[tokio::test]
async fn applying_makes_an_object_and_takes_away_what_is_applied_no_longer() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    let made = apply(&maps, "ours", &map("one", json!({"a": "1", "b": "2"}))).await.unwrap();
    assert_eq!(managers(&made), ["ours Apply"]);
    let same = apply(&maps, "ours", &map("one", json!({"a": "1", "b": "2"}))).await.unwrap();
    assert_eq!(same["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"], "nothing changed");
    let less = apply(&maps, "ours", &map("one", json!({"a": "1"}))).await.unwrap();
    assert_eq!(less["data"], json!({"a": "1"}));
    let mut labelled = map("one", json!({"a": "1"}));
    labelled.metadata.labels = Some([("x".to_owned(), "y".to_owned())].into());
    assert_eq!(apply(&maps, "ours", &labelled).await.unwrap()["metadata"]["labels"], json!({"x": "y"}));
    let bare = apply(&maps, "ours", &map("one", json!({"a": "1"}))).await.unwrap();
    assert_eq!(bare["metadata"]["labels"], json!(null), "an empty map that nobody owns goes too");
}

#[tokio::test]
async fn what_another_manager_owns_is_a_conflict_until_it_is_forced() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    apply(&maps, "ours", &map("one", json!({"a": "1", "b": "2"}))).await.unwrap();
    let refused = apply(&maps, "theirs", &map("one", json!({"a": "3"}))).await;
    assert_eq!(refusal(refused), (409, "Conflict".into()));
    let shared =
        apply(&maps, "theirs", &map("one", json!({"a": "1", "c": "4"}))).await.expect("the same value");
    assert_eq!(managers(&shared), ["ours Apply", "theirs Apply"]);
    let less = apply(&maps, "ours", &map("one", json!({}))).await.unwrap();
    assert_eq!(less["data"], json!({"a": "1", "c": "4"}), "what the other applies too stays");
    apply(&maps, "ours", &map("one", json!({"a": "1"}))).await.unwrap();
    let taken = force(&maps, "ours", &map("one", json!({"a": "5"}))).await;
    assert_eq!(taken["data"], json!({"a": "5", "c": "4"}));
    let without =
        apply(&maps, "theirs", &map("one", json!({"c": "4"}))).await.expect("what was taken isn't asked for");
    assert_eq!(without["data"]["a"], "5", "who lost a field can't take it away");
}

#[tokio::test]
async fn an_update_takes_over_what_it_changes() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    apply(&maps, "ours", &map("one", json!({"a": "1", "b": "2"}))).await.unwrap();
    let by = PatchParams { field_manager: Some("editor".into()), ..PatchParams::default() };
    let edited = maps.patch("one", &by, &Patch::Merge(json!({"data": {"a": "7"}}))).await.unwrap();
    assert_eq!(managers(&value(&edited)), ["editor Update", "ours Apply"]);
    let refused = apply(&maps, "ours", &map("one", json!({"a": "1", "b": "2"}))).await;
    assert_eq!(refusal(refused), (409, "Conflict".into()));
    let back = force(&maps, "ours", &map("one", json!({"a": "1", "b": "2"}))).await;
    assert_eq!((&back["data"]["a"], managers(&back)), (&json!("1"), vec!["ours Apply".to_owned()]));
}

#[tokio::test]
async fn what_an_update_made_stays_when_others_stop_applying_it() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    let by = PostParams { field_manager: Some("maker".into()), ..PostParams::default() };
    maps.create(&by, &map("one", json!({"a": "1"}))).await.unwrap();
    apply(&maps, "ours", &map("one", json!({"a": "1", "b": "2"}))).await.unwrap();
    let left = apply(&maps, "ours", &map("one", json!({}))).await.unwrap();
    assert_eq!(left["data"], json!({"a": "1"}));
}

#[tokio::test]
async fn an_update_that_removes_a_field_ends_its_ownership() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    apply(&maps, "ours", &map("one", json!({"a": "1", "b": "2"}))).await.unwrap();
    let by = PatchParams { field_manager: Some("editor".into()), ..PatchParams::default() };
    maps.patch("one", &by, &Patch::Merge(json!({"data": {"a": null}}))).await.unwrap();
    let theirs = apply(&maps, "theirs", &map("one", json!({"a": "9"}))).await.expect("nobody owns it");
    assert_eq!(theirs["data"], json!({"a": "9", "b": "2"}));
}

#[tokio::test]
async fn lists_and_maps_are_taken_as_the_schema_says() {
    let cluster = Cluster::new().await;
    let widgets = cluster.widgets().await;
    let ours = json!({
        "size": 1, "list": ["a"], "set": ["a"], "map": {"a": "1"},
        "parts": [{"name": "a", "size": 1}], "open": {"a": {"b": 1}},
    });
    apply(&widgets, "ours", &widget("one", ours)).await.unwrap();
    let theirs = json!({
        "size": 1, "set": ["b"], "map": {"b": "2"}, "parts": [{"name": "b"}, {"name": "a", "note": "theirs"}],
        "open": {"c": [1, {}]},
    });
    let both = apply(&widgets, "theirs", &widget("one", theirs)).await.unwrap();
    let spec = &both["spec"];
    assert_eq!(spec["set"], json!(["a", "b"]));
    assert_eq!(spec["map"], json!({"a": "1", "b": "2"}));
    assert_eq!(spec["parts"][0], json!({"name": "a", "size": 1, "note": "theirs"}));
    assert_eq!(spec["parts"][1], json!({"name": "b"}));
    assert_eq!(spec["open"], json!({"a": {"b": 1}, "c": [1, {}]}));
    let refused = apply(&widgets, "theirs", &widget("one", json!({"size": 1, "list": ["b"]}))).await;
    assert_eq!(refusal(refused).0, 409, "a list is one value");
    let left = apply(&widgets, "ours", &widget("one", json!({"size": 1}))).await.unwrap();
    let spec = &left["spec"];
    assert_eq!((&spec["list"], &spec["set"]), (&json!(null), &json!(["b"])));
    assert_eq!(spec["map"], json!({"b": "2"}));
    let parts = spec["parts"].as_array().unwrap();
    assert!(parts.contains(&json!({"name": "a", "note": "theirs"})) && parts.len() == 2, "{spec}");
    assert_eq!(spec["colour"], "grey", "a default is nobody's");
}

#[tokio::test]
async fn a_map_that_is_one_value_is_owned_as_one() {
    let cluster = Cluster::new().await;
    let widgets = cluster.widgets().await;
    apply(&widgets, "ours", &widget("one", json!({"size": 1, "whole": {"a": "1"}}))).await.unwrap();
    let refused = apply(&widgets, "theirs", &widget("one", json!({"size": 1, "whole": {"b": "2"}}))).await;
    assert_eq!(refusal(refused).0, 409);
    let other = force(&widgets, "theirs", &widget("one", json!({"size": 1, "whole": {"b": "2"}}))).await;
    assert_eq!(other["spec"]["whole"], json!({"b": "2"}));
}

#[tokio::test]
async fn containers_are_told_apart_by_name_and_defaults_are_nobodys() {
    let cluster = Cluster::new().await;
    let deployments = cluster.deployments();
    apply(&deployments, "ours", &object(deployment("one"))).await.unwrap();
    let mut theirs = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "one"}});
    theirs["spec"]["template"]["spec"]["containers"] =
        json!([{"name": "side", "image": "side:1"}, {"name": "app", "env": [{"name": "X", "value": "1"}]}]);
    let both = apply(&deployments, "theirs", &object(theirs.clone())).await.unwrap();
    let containers = both["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 2, "{both}");
    assert_eq!(containers[0]["image"], "app:1");
    assert_eq!(containers[0]["env"], json!([{"name": "X", "value": "1"}]));
    assert_eq!(both["metadata"]["generation"], 2);
    theirs["spec"]["template"]["spec"]["containers"] = json!([{"name": "app"}]);
    let left = apply(&deployments, "theirs", &object(theirs)).await.unwrap();
    let containers = left["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1, "{left}");
    assert_eq!(containers[0]["env"], json!(null));
}

#[tokio::test]
async fn finalizers_and_owners_of_several_managers_stand_beside_each_other() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    let owner = value(&maps.create(&PostParams::default(), &map("owner", json!({}))).await.unwrap());
    let mut ours = map("one", json!({"a": "1"}));
    ours.metadata.finalizers = Some(vec!["understudy.dev/ours".into()]);
    apply(&maps, "ours", &ours).await.unwrap();
    let reference =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]});
    let metadata =
        json!({"name": "one", "finalizers": ["understudy.dev/theirs"], "ownerReferences": [reference]});
    let theirs = object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}));
    let both = apply(&maps, "theirs", &theirs).await.unwrap();
    assert_eq!(both["metadata"]["finalizers"], json!(["understudy.dev/ours", "understudy.dev/theirs"]));
    let left = apply(&maps, "ours", &map("one", json!({"a": "1"}))).await.unwrap();
    assert_eq!(left["metadata"]["finalizers"], json!(["understudy.dev/theirs"]));
    assert_eq!(left["metadata"]["ownerReferences"][0]["name"], "owner");
    let free = object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}));
    assert_eq!(apply(&maps, "theirs", &free).await.unwrap()["metadata"]["finalizers"], json!(null));
}

#[tokio::test]
async fn a_status_is_applied_apart() {
    let cluster = Cluster::new().await;
    let widgets = cluster.widgets().await;
    let status = |phase: &str| {
        let mut object = widget("one", json!({}));
        object.data.as_object_mut().unwrap().remove("spec");
        object.data["status"] = json!({"phase": phase});
        object
    };
    let params = PatchParams::apply("ours").force();
    let missing = widgets.patch_status("one", &params, &Patch::Apply(status("early"))).await;
    assert_eq!(refusal(missing).0, 404);
    apply(&widgets, "ours", &widget("one", json!({"size": 1}))).await.unwrap();
    let said = widgets.patch_status("one", &params, &Patch::Apply(status("ready"))).await.unwrap();
    assert_eq!((&said.data["status"]["phase"], &said.data["spec"]["size"]), (&json!("ready"), &json!(1)));
    assert_eq!(said.metadata.generation, Some(1));
    let same = widgets.patch_status("one", &params, &Patch::Apply(status("ready"))).await.unwrap();
    assert_eq!(same.metadata.resource_version, said.metadata.resource_version, "nothing changed");
}

#[tokio::test]
async fn what_is_no_application_is_refused() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    let params = PatchParams { force: false, ..PatchParams::default() };
    let unnamed = maps.patch("one", &params, &Patch::Apply(map("one", json!({})))).await;
    let Err(error) = unnamed else { panic!("without a manager") };
    assert!(error.to_string().to_lowercase().contains("manager"), "{error}");
    let made = apply(&maps, "ours", &map("one", json!({"a": "1"}))).await.unwrap();
    let with_owners = object(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "managedFields": made["metadata"]["managedFields"]}}),
    );
    assert_eq!(refusal(apply(&maps, "ours", &with_owners).await).0, 400);
    let mut stale = map("one", json!({"a": "1"}));
    stale.metadata.resource_version = Some("1".into());
    assert_eq!(refusal(apply(&maps, "ours", &stale).await), (409, "Conflict".into()));
    let mut identified = map("never", json!({}));
    identified.metadata.uid = Some("11111111-1111-4111-8111-111111111111".into());
    assert_eq!(refusal(apply(&maps, "ours", &identified).await).0, 409);
}
