//! Objects are created, read, changed and deleted as they are on a real server.

use crate::cluster::{Cluster, deployment, map, object, refusal, value, widget};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;

#[tokio::test]
async fn a_new_object_gets_what_the_server_gives_it() {
    let cluster = Cluster::new().await;
    let made = cluster.maps().create(&PostParams::default(), &map("one", json!({"a": "1"}))).await.unwrap();
    let made = value(&made);
    for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        assert!(!made["metadata"][field].is_null(), "{field} of {made}");
    }
    assert!(made["metadata"]["generation"].is_null(), "configuration maps have none: {made}");
    let made = value(
        &cluster.deployments().create(&PostParams::default(), &object(deployment("one"))).await.unwrap(),
    );
    assert_eq!(made["metadata"]["generation"], 1, "{made}");
}

#[tokio::test]
async fn a_name_is_made_up_from_its_beginning() {
    let cluster = Cluster::new().await;
    let unnamed =
        object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "begun-"}}));
    let one = cluster.maps().create(&PostParams::default(), &unnamed).await.unwrap().metadata.name.unwrap();
    let other = cluster.maps().create(&PostParams::default(), &unnamed).await.unwrap().metadata.name.unwrap();
    assert!(one.starts_with("begun-") && one.len() == "begun-".len() + 5, "{one}");
    assert_ne!(one, other);
}

#[tokio::test]
async fn what_cannot_be_created_is_refused() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    let create = async |object| refusal(maps.create(&PostParams::default(), &object).await);
    maps.create(&PostParams::default(), &map("there", json!({}))).await.unwrap();
    assert_eq!(create(map("there", json!({}))).await, (409, "AlreadyExists".into()));
    assert_eq!(create(map("Upper Case", json!({}))).await, (422, "Invalid".into()));
    let mut labelled = map("labelled", json!({}));
    labelled.metadata.labels = Some([("app".to_owned(), "no blanks: please".to_owned())].into());
    assert_eq!(create(labelled).await, (422, "Invalid".into()));
    let mut numbered = map("numbered", json!({}));
    numbered.metadata.resource_version = Some("7".into());
    assert_eq!(create(numbered).await.0, 500);
    let mut elsewhere = map("elsewhere", json!({}));
    elsewhere.metadata.namespace = Some("default".into());
    assert_eq!(create(elsewhere).await, (400, "BadRequest".into()));
    let nowhere =
        kube::Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(cluster.client.clone(), "nowhere");
    let homeless = serde_json::from_value(json!({"metadata": {"name": "homeless"}})).unwrap();
    assert_eq!(refusal(nowhere.create(&PostParams::default(), &homeless).await), (404, "NotFound".into()));
    assert_eq!(refusal(nowhere.get("x").await), (404, "NotFound".into()));
}

#[tokio::test]
async fn a_stale_update_is_a_conflict() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    let first = maps.create(&PostParams::default(), &map("one", json!({"a": "1"}))).await.unwrap();
    let mut second = first.clone();
    second.data["data"]["a"] = json!("2");
    let second = maps.replace("one", &PostParams::default(), &second).await.unwrap();
    assert_ne!(first.metadata.resource_version, second.metadata.resource_version);
    let mut third = first.clone();
    third.data["data"]["a"] = json!("3");
    assert_eq!(refusal(maps.replace("one", &PostParams::default(), &third).await), (409, "Conflict".into()));
    let patch = json!({"metadata": {"resourceVersion": first.metadata.resource_version}, "data": {"a": "3"}});
    let patched = maps.patch("one", &PatchParams::default(), &Patch::Merge(&patch)).await;
    assert_eq!(refusal(patched), (409, "Conflict".into()));
    third.metadata.resource_version = None;
    let third =
        maps.replace("one", &PostParams::default(), &third).await.expect("without a version it isn't asked");
    assert_eq!(third.data["data"]["a"], "3");
    third_uid_is_kept(&cluster, third).await;
}

async fn third_uid_is_kept(cluster: &Cluster, mut object: kube::api::DynamicObject) {
    object.metadata.uid = Some("11111111-1111-4111-8111-111111111111".into());
    assert_eq!(refusal(cluster.maps().replace("one", &PostParams::default(), &object).await).0, 409);
}

#[tokio::test]
async fn a_custom_resource_is_only_updated_with_its_version() {
    let cluster = Cluster::new().await;
    let widgets = cluster.widgets().await;
    widgets.create(&PostParams::default(), &widget("one", json!({"size": 1}))).await.unwrap();
    let blind = widgets.replace("one", &PostParams::default(), &widget("one", json!({"size": 2}))).await;
    assert_eq!(refusal(blind), (422, "Invalid".into()));
}

#[tokio::test]
async fn a_write_that_changes_nothing_writes_nothing() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    let first = maps.create(&PostParams::default(), &map("one", json!({"a": "1"}))).await.unwrap();
    let second = maps.replace("one", &PostParams::default(), &first).await.unwrap();
    assert_eq!(first.metadata.resource_version, second.metadata.resource_version);
    let patch = Patch::Merge(json!({"data": {"a": "1"}}));
    let third = maps.patch("one", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(first.metadata.resource_version, third.metadata.resource_version);
}

#[tokio::test]
async fn spec_and_status_are_written_apart() {
    let cluster = Cluster::new().await;
    let widgets = cluster.widgets().await;
    let mut new = widget("one", json!({"size": 1}));
    new.data["status"] = json!({"phase": "made up"});
    let made = widgets.create(&PostParams::default(), &new).await.unwrap();
    assert!(made.data["status"].is_null(), "{made:?}");
    assert_eq!(made.metadata.generation, Some(1));
    let both = json!({"spec": {"size": 2}, "status": {"phase": "lost"}, "metadata": {"labels": {"a": "b"}}});
    let main = widgets.patch("one", &PatchParams::default(), &Patch::Merge(&both)).await.unwrap();
    assert!(main.data["status"].is_null(), "{main:?}");
    assert_eq!(main.metadata.generation, Some(2));
    let both = json!({"spec": {"size": 3}, "status": {"phase": "kept"}, "metadata": {"labels": {"a": "c"}}});
    let status = widgets.patch_status("one", &PatchParams::default(), &Patch::Merge(&both)).await.unwrap();
    assert_eq!((&status.data["spec"]["size"], &status.data["status"]["phase"]), (&json!(2), &json!("kept")));
    assert_eq!(status.metadata.generation, Some(2));
    assert_eq!(status.metadata.labels.as_ref().unwrap()["a"], "b", "a status's write leaves metadata alone");
    let label = json!({"metadata": {"labels": {"a": "d"}}});
    let labelled = widgets.patch("one", &PatchParams::default(), &Patch::Merge(&label)).await.unwrap();
    assert_eq!(labelled.metadata.generation, Some(2), "metadata is no part of what is wanted");
    let mut stale = status.clone();
    stale.data["status"]["phase"] = json!("stale");
    let bytes = serde_json::to_vec(&stale).unwrap();
    let refused: Result<kube::api::DynamicObject, _> =
        widgets.replace_status("one", &PostParams::default(), &serde_json::from_slice(&bytes).unwrap()).await;
    assert_eq!(refusal(refused), (409, "Conflict".into()));
}

#[tokio::test]
async fn a_schema_prunes_fills_and_refuses() {
    let cluster = Cluster::new().await;
    let widgets = cluster.widgets().await;
    let spec = json!({"size": 1, "unknown": 1, "open": {"anything": {"goes": []}}});
    let made = widgets.create(&PostParams::default(), &widget("one", spec)).await.unwrap();
    let spec = &made.data["spec"];
    assert_eq!((&spec["unknown"], &spec["colour"]), (&json!(null), &json!("grey")), "{spec}");
    assert_eq!(spec["open"], json!({"anything": {"goes": []}}));
    for (index, wrong) in [
        json!({}),
        json!({"size": 0}),
        json!({"size": 11}),
        json!({"size": "1"}),
        json!({"size": 1, "mode": "third"}),
        json!({"size": 1, "name": "UPPER"}),
        json!({"size": 1, "name": "waytoolongforthisfieldhere"}),
        json!({"size": 1, "list": "no list"}),
        json!({"size": 1, "parts": [{"size": 1}]}),
        json!({"size": 1, "parts": [{"name": "a"}, {"name": "a"}]}),
        json!({"size": 1, "set": ["a", "a"]}),
    ]
    .into_iter()
    .enumerate()
    {
        let refused =
            widgets.create(&PostParams::default(), &widget(&format!("wrong-{index}"), wrong.clone())).await;
        assert_eq!(refusal(refused), (422, "Invalid".into()), "{wrong}");
    }
    let patch = Patch::Merge(json!({"spec": {"size": 100}}));
    assert_eq!(refusal(widgets.patch("one", &PatchParams::default(), &patch).await), (422, "Invalid".into()));
}

#[tokio::test]
async fn what_is_waited_for_is_only_gone_when_it_was_let_go() {
    let cluster = Cluster::new().await;
    let widgets = cluster.widgets().await;
    let mut held = widget("one", json!({"size": 1}));
    held.metadata.finalizers = Some(vec!["understudy.dev/hold".into()]);
    let made = widgets.create(&PostParams::default(), &held).await.unwrap();
    let marked =
        widgets.delete("one", &DeleteParams::default()).await.unwrap().left().expect("it is still there");
    assert!(marked.metadata.deletion_timestamp.is_some());
    assert_eq!(marked.metadata.generation, Some(2), "being deleted is something that is wanted");
    let again =
        widgets.delete("one", &DeleteParams::default()).await.unwrap().left().expect("it is still there");
    assert_eq!(again.metadata.resource_version, marked.metadata.resource_version);
    let another = json!({"metadata": {"finalizers": ["understudy.dev/hold", "understudy.dev/another"]}});
    let refused = widgets.patch("one", &PatchParams::default(), &Patch::Merge(&another)).await;
    assert_eq!(refusal(refused), (422, "Invalid".into()));
    let refused = widgets.create(&PostParams::default(), &widget("one", json!({"size": 1}))).await;
    assert_eq!(refusal(refused).1, "AlreadyExists");
    let free = json!({"metadata": {"finalizers": null}});
    let last = widgets.patch("one", &PatchParams::default(), &Patch::Merge(&free)).await.unwrap();
    assert_eq!(last.metadata.uid, made.metadata.uid);
    assert_eq!(refusal(widgets.get("one").await), (404, "NotFound".into()));
}

#[tokio::test]
async fn a_deletion_looks_at_what_it_was_meant_for() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    let made = maps.create(&PostParams::default(), &map("one", json!({}))).await.unwrap();
    let of = |uid: &str| {
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }
    };
    let refused = maps.delete("one", &of("11111111-1111-4111-8111-111111111111")).await;
    assert_eq!(refusal(refused), (409, "Conflict".into()));
    let status = maps.delete("one", &of(&made.metadata.uid.unwrap())).await.unwrap();
    assert!(status.is_right(), "{status:?}");
    assert_eq!(refusal(maps.delete("one", &DeleteParams::default()).await), (404, "NotFound".into()));
}

#[tokio::test]
async fn patches_are_of_four_kinds() {
    let cluster = Cluster::new().await;
    let deployments = cluster.deployments();
    let made = deployments.create(&PostParams::default(), &object(deployment("one"))).await.unwrap();
    let container = |image: &str| json!({"spec": {"template": {"spec": {"containers": [{"name": "other", "image": image}]}}}});
    let strategic = Patch::Strategic(container("other:1"));
    let patched = deployments.patch("one", &PatchParams::default(), &strategic).await.unwrap();
    let names = |object: &kube::api::DynamicObject| {
        let containers = object.data["spec"]["template"]["spec"]["containers"].as_array().unwrap().clone();
        let mut names: Vec<_> =
            containers.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&patched), ["app", "other"], "containers are told apart by name");
    assert_eq!(patched.metadata.generation, Some(2));
    let merge = Patch::Merge(container("other:2"));
    let patched = deployments.patch("one", &PatchParams::default(), &merge).await.unwrap();
    assert_eq!(names(&patched), ["other"], "a merge patch has lists whole");
    let steps: json_patch::Patch =
        serde_json::from_value(json!([{"op": "replace", "path": "/spec/replicas", "value": 3}])).unwrap();
    let patched = deployments.patch("one", &PatchParams::default(), &Patch::<()>::Json(steps)).await.unwrap();
    assert_eq!(patched.data["spec"]["replicas"], 3);
    assert_eq!(patched.metadata.uid, made.metadata.uid);
    let steps: json_patch::Patch =
        serde_json::from_value(json!([{"op": "test", "path": "/spec/replicas", "value": 7}])).unwrap();
    let refused = deployments.patch("one", &PatchParams::default(), &Patch::<()>::Json(steps)).await;
    assert_eq!(refusal(refused).0, 422);
    let widgets = cluster.widgets().await;
    widgets.create(&PostParams::default(), &widget("one", json!({"size": 1}))).await.unwrap();
    let refused =
        widgets.patch("one", &PatchParams::default(), &Patch::Strategic(json!({"spec": {"size": 2}}))).await;
    assert_eq!(refusal(refused).0, 415, "custom resources have no strategy");
}

#[tokio::test]
async fn a_long_list_comes_in_pages_as_of_one_moment() {
    let cluster = Cluster::new().await;
    let maps = cluster.maps();
    for index in 0..5 {
        let mut one = map(&format!("map-{index}"), json!({}));
        one.metadata.labels = Some([("odd".to_owned(), (index % 2 == 1).to_string())].into());
        maps.create(&PostParams::default(), &one).await.unwrap();
    }
    let ours = ListParams::default().labels("odd");
    let first = maps.list(&ours.clone().limit(2)).await.unwrap();
    assert_eq!(first.items.len(), 2);
    maps.delete("map-3", &DeleteParams::default()).await.unwrap();
    let token = first.metadata.continue_.clone().expect("there is more");
    let second = maps.list(&ours.clone().limit(5).continue_token(&token)).await.unwrap();
    let names: Vec<_> = second.items.iter().filter_map(|item| item.metadata.name.clone()).collect();
    assert_eq!(names, ["map-2", "map-3", "map-4"], "as it was when the list began");
    assert_eq!(second.metadata.resource_version, first.metadata.resource_version);
    assert!(second.metadata.continue_.as_deref().unwrap_or_default().is_empty());
    let count = async |params: ListParams| maps.list(&params).await.unwrap().items.len();
    assert_eq!(count(ours.clone()).await, 4);
    assert_eq!(count(ListParams::default().labels("odd=true")).await, 1);
    assert_eq!(count(ListParams::default().labels("odd in (true, false)")).await, 4);
    assert_eq!(count(ListParams::default().labels("odd,odd!=true")).await, 3);
    assert_eq!(count(ListParams::default().labels("!odd").fields("metadata.name=map-1")).await, 0);
    assert_eq!(count(ListParams::default().fields("metadata.name=map-1")).await, 1);
}
