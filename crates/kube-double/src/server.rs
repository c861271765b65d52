//! The server itself: its doors, and what tests can do to it.

use crate::faults::{Asked, Faults};
use crate::kinds::envoy_filters;
use crate::shared::Shared;
use crate::state::State;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// An API server. Dropped, it is gone.
#[derive(Debug)]
pub struct ApiServer {
    shared: Arc<Shared>,
    front: Door,
    collector: JoinHandle<()>,
}

impl ApiServer {
    /// With the built-in resources, the namespaces that every cluster has, and Istio's `EnvoyFilter`.
    pub async fn start() -> Self {
        let mut state = State::new();
        crate::kinds::defined(&envoy_filters()).into_iter().for_each(|kind| state.serve(kind));
        let shared = Arc::new(Shared {
            changed: watch::Sender::new(state.store.version()),
            state: Mutex::new(state),
            cut: watch::Sender::new(0),
            faults: Mutex::default(),
            history: Mutex::default(),
            doors: AtomicUsize::new(0),
        });
        let front = Door::open(&shared).await;
        let collector = tokio::spawn(collect(Arc::clone(&shared)));
        Self { shared, front, collector }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.front.url()
    }

    /// Another way to the same server, that can be shut by itself: a client whose network is cut, while others' isn't.
    pub async fn door(&self) -> Door {
        Door::open(&self.shared).await
    }

    /// Nobody gets in, and every connection is broken; what is stored stays.
    pub async fn stop(&mut self) {
        self.front.shut().await;
    }

    /// At the same address again.
    pub async fn start_again(&mut self) {
        self.front.open_again().await;
    }

    /// Makes a namespace.
    pub fn namespace(&self, name: &str) {
        self.change(|state| state.namespace(name));
    }

    /// Serves what a custom resource definition defines, as if it had been created and established.
    pub fn define(&self, definition: &Value) {
        self.change(|state| crate::kinds::defined(definition).into_iter().for_each(|kind| state.serve(kind)));
    }

    /// What is stored of a resource (`deployments.apps`, `pods`), in all namespaces.
    pub fn objects(&self, resource: &str) -> Vec<Value> {
        self.shared.state().store.of(resource, None).map(|(_, object)| Value::clone(object)).collect()
    }

    /// One of them.
    pub fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        self.shared.state().store.get(&key).map(|object| Value::clone(object))
    }

    /// The number of the last write.
    pub fn version(&self) -> u64 {
        self.shared.state().store.version()
    }

    /// Forgets all earlier versions: who goes on from one is told 410.
    pub fn compact(&self) {
        self.shared.state().store.compact();
    }

    /// Ends every watch, as a server does that is restarted behind a load balancer.
    pub fn cut_watches(&self) {
        self.shared.cut.send_modify(|times| *times += 1);
    }

    /// Answers the next requests with this status. What was still to be refused is forgotten.
    pub fn refuse(&self, requests: u64, status: u16) {
        let mut faults = self.shared.faults();
        (faults.refuse, faults.status) = (requests, status);
    }

    /// Asks `rule` about each request from now on: the status that it is refused with, if it is.
    pub fn refuse_where(&self, rule: impl Fn(&Asked) -> Option<u16> + Send + Sync + 'static) {
        self.shared.faults().rule = Some(Arc::new(rule));
    }

    /// Each request takes this much longer.
    pub fn delay(&self, by: Duration) {
        self.shared.faults().delay = by;
    }

    /// Nothing goes wrong any more.
    pub fn relent(&self) {
        *self.shared.faults() = Faults::default();
    }

    /// What was asked, in order of the answers.
    pub fn history(&self) -> Vec<Asked> {
        self.shared.history.lock().expect("no panic while it was held").clone()
    }

    /// Begins the history anew.
    pub fn forget_history(&self) {
        self.shared.history.lock().expect("no panic while it was held").clear();
    }

    /// How often something was asked since, such as `count("patch", "envoyfilters.networking.istio.io")`.
    pub fn count(&self, verb: &str, resource: &str) -> usize {
        let is = |asked: &&Asked| asked.verb == verb && asked.resource == resource;
        self.shared.history.lock().expect("no panic while it was held").iter().filter(is).count()
    }

    /// How many requests wanted to change something.
    pub fn writes(&self) -> usize {
        self.history().iter().filter(|asked| asked.is_write()).count()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.shared.state();
        change(&mut state);
        self.shared.tell(state.store.version());
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.collector.abort();
    }
}

/// An address at which a server can be reached. Dropped, it is shut.
#[derive(Debug)]
pub struct Door {
    shared: Arc<Shared>,
    address: SocketAddr,
    number: usize,
    task: JoinHandle<()>,
}

impl Door {
    async fn open(shared: &Arc<Shared>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let number = shared.doors.fetch_add(1, Ordering::Relaxed);
        let task = tokio::spawn(accept(listener, Arc::clone(shared), number));
        Self { shared: Arc::clone(shared), address, number, task }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What requests that came through here have in their history.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Nobody gets in, and every connection is broken.
    pub async fn shut(&mut self) {
        self.task.abort();
        while !self.task.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    /// At the same address again.
    pub async fn open_again(&mut self) {
        self.shut().await;
        let listener = TcpListener::bind(self.address).await.expect("the address that was ours");
        self.task = tokio::spawn(accept(listener, Arc::clone(&self.shared), self.number));
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, door: usize) {
    // Aborted with this task: a server that is gone answers nobody.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let answer = move |request| crate::serve::serve(request, Arc::clone(&shared), door);
        let stream = hyper_util::rt::TokioIo::new(stream);
        let service = hyper::service::service_fn(answer);
        connections.spawn(async move {
            // It ends when the client does.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// The garbage collector: at work whenever something has changed.
async fn collect(shared: Arc<Shared>) {
    let mut changed = shared.changed.subscribe();
    while changed.changed().await.is_ok() {
        let mut state = shared.state();
        while state.collect() {}
        shared.tell(state.store.version());
    }
}
