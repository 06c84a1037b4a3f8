//! Functions that return when the service is up.

async fn start(&self, shutdown: CancellationToken) -> Result<SocketAddr, ServerError> {
    let listener = TcpListener::bind(self.addr).await?;
    let local = listener.local_addr()?;
    tokio::spawn(self.state.serve(accept_loop(listener, self.state.clone(), shutdown)));
    Ok(local)
}

async fn open_store(path: PathBuf, shutdown: CancellationToken) -> Result<Store> {
    let store = Store::open(path).await?;
    store.spawn_compaction(shutdown.child_token());
    Ok(store)
}

async fn start_workers(&mut self, count: usize, token: CancellationToken) -> Result<()> {
    for index in 0..count {
        let worker = Worker::connect(index, &self.config).await?;
        self.handles.push(tokio::spawn(worker.work(token.clone())));
    }
    Ok(())
}

async fn announce(registry: Registry, shutdown: CancellationToken) -> Result<()> {
    let entry = registry.register("node").await?;
    tokio::spawn(async move {
        shutdown.cancelled().await;
        entry.deregister().await;
    });
    Ok(())
}

async fn connect(url: Url, token: CancellationToken) -> Result<Client, Error> {
    let stream = TcpStream::connect(url.address()).await?;
    let session = handshake(stream).await?;
    Ok(Client::new(session, token))
}

async fn bring_up(&self, shutdown: CancellationToken) -> Result<()> {
    self.database.migrate().await?;
    self.http.start(shutdown.clone()).await?;
    self.grpc.start(shutdown).await?;
    Ok(())
}

async fn begin(nodes: Vec<Node>, shutdown: CancellationToken) -> Result<()> {
    for node in nodes {
        node.start_serving(shutdown.child_token()).await?;
    }
    Ok(())
}

async fn attach(hub: Hub, token: CancellationToken) -> JoinHandle<()> {
    let feed = hub.subscribe().await;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = token.cancelled() => break,
                event = feed.next() => record(event),
            }
        }
    })
}

async fn prepare(config: Config, token: CancellationToken) -> Result<Prepared> {
    if token.is_cancelled() {
        return Err(Error::Cancelled);
    }
    let image = fetch(&config.image).await?;
    let disk = image.unpack().await?;
    Ok(Prepared { disk, token })
}

async fn discover(seeds: Vec<Seed>, shutdown: CancellationToken) -> Result<Peers> {
    let mut peers = Peers::new(shutdown);
    for seed in seeds {
        match timeout(DIAL, seed.dial()).await {
            Ok(Ok(peer)) => peers.push(peer),
            Ok(Err(error)) => warn!(%error, "a seed is not there"),
            Err(_) => warn!("a seed does not answer"),
        }
    }
    Ok(peers)
}

async fn ready(mut health: Receiver<bool>, _shutdown: CancellationToken) -> Result<()> {
    loop {
        tokio::select! {
            changed = health.changed() => changed?,
            _ = sleep(READY_WITHIN) => return Err(Error::NotReady),
        }
        if *health.borrow() {
            return Ok(());
        }
    }
}

async fn listen_on(addr: SocketAddr, shutdown: CancellationToken) -> io::Result<Listening> {
    let listener = TcpListener::bind(addr).await?;
    let handle = tokio::spawn(
        axum::serve(listener, routes())
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .into_future(),
    );
    Ok(Listening { handle })
}

async fn launch(&self, shutdown: CancellationToken) -> anyhow::Result<()> {
    let source = self.source.open().await.context("the source")?;
    let sink = self.sink.open().await.context("the sink")?;
    tokio::spawn(self.state.serve(copy(source, sink, shutdown)));
    info!("the copy is under way");
    Ok(())
}

async fn subscribe(&self, topic: &str, token: CancellationToken) -> Result<Subscription> {
    let id = self.broker.subscribe(topic).await?;
    self.tasks.lock().await.spawn(deliver(id, token.clone()));
    Ok(Subscription { id, token })
}

async fn warm_up(cache: Arc<Cache>, keys: Vec<Key>, token: CancellationToken) -> Result<()> {
    let loaded = futures::future::join_all(keys.iter().map(|key| cache.load(key))).await;
    cache.keep(loaded);
    cache.set_shutdown(token);
    Ok(())
}

async fn init_telemetry(config: &Config, shutdown: CancellationToken) -> Result<Telemetry> {
    let exporter = Exporter::connect(&config.endpoint).await?;
    let reader = PeriodicReader::new(exporter);
    let stop = shutdown.clone();
    let flush = tokio::spawn(async move { stop.cancelled().await });
    Ok(Telemetry { reader, flush })
}

async fn boot(vm: Vm, shutdown: CancellationToken) -> Result<()> {
    vm.create().await?;
    vm.boot().await?;
    vm.on_exit(move || shutdown.cancelled_owned());
    Ok(())
}

async fn join_cluster(&self, shutdown: CancellationToken) -> Result<()> {
    let leader = self.find_leader().await?;
    let membership = leader.admit(self.id).await?;
    self.gossip.spawn_with(membership, shutdown);
    Ok(())
}

async fn setup(plugins: Vec<Plugin>, shutdown: CancellationToken) -> Result<()> {
    for plugin in &plugins {
        plugin.init(shutdown.clone()).await?;
        info!(name = plugin.name(), "the plugin is there");
    }
    Ok(())
}

async fn restore(path: &Path, token: CancellationToken) -> Result<Index> {
    let bytes = tokio::fs::read(path).await?;
    let index = tokio::task::spawn_blocking(move || Index::parse(&bytes)).await??;
    index.watch(token);
    Ok(index)
}

async fn create(service: Service, token: CancellationToken) -> Result<()> {
    let watcher = token.clone();
    let guard = service.lock().await?;
    service.on_stop(async move {
        watcher.cancelled().await;
        drop(guard);
    });
    service.commit().await?;
    Ok(())
}

fn spawn_reporter(metrics: Metrics, token: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !token.is_cancelled() {
            metrics.report().await;
        }
    })
}

fn install_hooks(hooks: &Hooks, shutdown: CancellationToken) {
    let stop = shutdown.clone();
    hooks.on_reload(move || reload(&stop));
    hooks.on_exit(move || shutdown.cancel());
}

fn start_ticker(&self, token: CancellationToken) -> io::Result<()> {
    let state = self.state.clone();
    thread::Builder::new().name("ticker".into()).spawn(move || {
        while !token.is_cancelled() {
            state.tick();
        }
    })?;
    Ok(())
}

async fn subscribe_all(topics: &[Topic], shutdown: CancellationToken) -> Result<Streams> {
    let streams = topics.iter().map(|topic| topic.subscribe(shutdown.clone()));
    let streams = futures::future::try_join_all(streams).await?;
    Ok(Streams(streams))
}

async fn elect(&self, shutdown: CancellationToken) -> Result<Term> {
    let mut term = self.term.load();
    while !self.ask_for_votes(term).await? {
        term = term.next();
        sleep(self.jitter()).await;
    }
    self.heartbeats.start(term, shutdown);
    Ok(term)
}

async fn mount(disk: Disk, shutdown: CancellationToken) -> Result<Mounted> {
    let (ready, is_ready) = oneshot::channel();
    let session = tokio::spawn(disk.session(ready, shutdown));
    is_ready.await?;
    Ok(Mounted(session))
}

async fn register(&self, shutdown: CancellationToken) -> Result<(), RegisterError> {
    let lease = self.etcd.grant_lease(TTL).await?;
    self.etcd.put(&self.key, lease.id()).await?;
    let keeper = self.clone();
    self.tasks.spawn(async move { keeper.renew(lease, shutdown).await });
    Ok(())
}

async fn pair_device(port: Port, shutdown: CancellationToken) -> Result<Device> {
    let device = tokio::select! {
        device = port.pair() => device?,
        () = sleep(PAIR_WITHIN) => return Err(Error::TimedOut),
    };
    device.stop_with(shutdown);
    Ok(device)
}

async fn open_tunnel(&mut self, shutdown: CancellationToken) -> Result<()> {
    let (near, far) = tunnel::pair(&self.config).await?;
    self.near = Some(near);
    self.pump = Some(tokio::spawn(pump(far, shutdown)));
    Ok(())
}

#[token(self.cancel)]
async fn resume(&self) -> Result<()> {
    let journal = self.journal.read().await?;
    let task = tokio::spawn(self.state.serve(apply(journal, self.cancel.clone())));
    self.keep(task);
    Ok(())
}

#[token(self.cancel)]
async fn provision(&self, plan: &Plan) -> Result<Address> {
    let machine = self.cloud.create(plan).await?;
    let address = machine.wait_until_ready().await?;
    let stop = self.cancel.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        machine.destroy().await;
    });
    Ok(address)
}
