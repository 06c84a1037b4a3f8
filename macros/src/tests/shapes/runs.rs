//! Functions that return when the service is over.

async fn relay(mut inbox: Receiver<Event>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(event) = inbox.recv() => forward(event).await,
        }
    }
}

async fn sweep_sessions(store: Store, stop: CancellationToken) -> Result<()> {
    let mut tick = interval(Duration::from_secs(30));
    while !stop.is_cancelled() {
        tick.tick().await;
        store.remove_expired().await?;
    }
    Ok(())
}

async fn refresh(cache: Arc<Cache>, token: CancellationToken) -> anyhow::Result<()> {
    loop {
        if token.is_cancelled() {
            return Ok(());
        }
        cache.refresh().await?;
        sleep(cache.period()).await;
    }
}

async fn hold_lease(lease: Lease, shutdown: CancellationToken) -> io::Result<()> {
    lease.announce().await?;
    let stop = shutdown.clone();
    stop.cancelled().await;
    lease.give_back().await
}

async fn follow_log(log: Log, shutdown: CancellationToken) {
    let child = shutdown.child_token();
    let mut lines = log.lines();
    loop {
        tokio::select! {
            biased;
            _ = child.cancelled() => return,
            line = lines.next_line() => match line {
                Ok(Some(line)) => println!("{line}"),
                _ => return,
            },
        }
    }
}

async fn keep_alive(link: Link, shutdown: &CancellationToken) -> Result<(), LinkError> {
    let stop = &shutdown;
    while let Err(_) = timeout(PING_EVERY, stop.cancelled()).await {
        link.ping().await?;
    }
    Ok(())
}

async fn maybe_watch(paths: Paths, shutdown: Option<CancellationToken>) -> Result<()> {
    let watcher = Watcher::open(&paths)?;
    if let Some(stop) = shutdown {
        stop.cancelled().await;
    } else {
        std::future::pending::<()>().await;
    }
    watcher.close();
    Ok(())
}

async fn http(app: Router, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

async fn grpc(addr: SocketAddr, routes: Routes, quit: CancellationToken) -> Result<(), Error> {
    let over = quit.cancelled();
    Server::builder()
        .add_routes(routes)
        .serve_with_shutdown(addr, over)
        .await
        .map_err(Error::Transport)
}

async fn gateway(addr: SocketAddr, cancel: CancellationToken) -> Result<(), Error> {
    let server = Server::builder().serve_with_shutdown(addr, async move {
        cancel.cancelled().await;
        info!("the gateway stops");
    });
    server.await?;
    Ok(())
}

async fn drain(events: impl Stream<Item = Event>, shutdown: CancellationToken) {
    events
        .take_until(shutdown.cancelled_owned())
        .for_each(|event| async move { store(event).await })
        .await;
}

async fn pump(stream: EventStream, shutdown: CancellationToken) -> Result<()> {
    let mut stream = stream.take_until(shutdown.cancelled());
    while let Some(event) = stream.next().await {
        handle(event)?;
    }
    Ok(())
}

async fn blocks(chain: Chain, shutdown: CancellationToken) -> Result<()> {
    let stopped = shutdown.cancelled();
    tokio::pin!(stopped);
    let mut heads = chain.heads();
    loop {
        match select(&mut stopped, heads.next()).await {
            Either::Left(_) => return Ok(()),
            Either::Right((head, _)) => chain.import(head).await?,
        }
    }
}

async fn poll_queue(queue: Queue, shutdown: CancellationToken) {
    let work = async {
        loop {
            queue.pop().await.process().await;
        }
    };
    futures::future::select(pin!(work), pin!(shutdown.cancelled())).await;
}

async fn beacon(radio: Radio, shutdown: CancellationToken) {
    radio
        .transmit_for_ever()
        .race(CancellationToken::cancelled(&shutdown))
        .await;
}

async fn ingest(source: Source, shutdown: CancellationToken) -> Result<()> {
    shutdown.run_until_cancelled(source.read_all()).await;
    source.close().await
}

async fn upload(outbox: Outbox, shutdown: CancellationToken) -> Result<()> {
    loop {
        let Some(file) = outbox.next().with_cancellation_token(&shutdown).await else {
            break;
        };
        file?.send().await?;
    }
    outbox.flush().await
}

async fn observe(&self, shutdown: CancellationToken) -> Result<()> {
    self.metrics.register()?;
    self.monitor(shutdown).await
}

async fn node(config: Config, shutdown: CancellationToken) -> eyre::Result<()> {
    let chain = Chain::open(&config.data_dir).await?;
    let node = Node::new(config, chain, shutdown.clone());
    let result = node.operate().instrument(info_span!("node")).await;
    if let Err(error) = &result {
        error!(%error, "the node has failed");
    }
    result
}

async fn application(settings: Settings, token: CancellationToken) -> anyhow::Result<()> {
    let api = Api::new(&settings);
    let sync = Synchronizer::new(&settings);
    tokio::try_join!(api.operate(token.clone()), sync.operate(token))?;
    Ok(())
}

async fn reconnecting(client: Client, shutdown: CancellationToken) -> Result<()> {
    let mut delay = Backoff::default();
    loop {
        match client.session(shutdown.clone()).await {
            Ok(End::Closed) => return Ok(()),
            Ok(End::Lost) | Err(_) => sleep(delay.next()).await,
        }
    }
}

async fn pool(size: usize, jobs: Jobs, shutdown: CancellationToken) -> Result<()> {
    let mut workers = JoinSet::new();
    for _ in 0..size {
        workers.spawn(work_through(jobs.clone(), shutdown.clone()));
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    Ok(())
}

async fn pair(left: Side, right: Side, shutdown: CancellationToken) -> Result<()> {
    let first = tokio::spawn(left.copy_to(right.clone(), shutdown.clone()));
    let second = tokio::spawn(right.copy_to(left, shutdown));
    let (first, second) = tokio::join!(first, second);
    first?;
    second?;
    Ok(())
}

async fn shards(shards: Vec<Shard>, shutdown: CancellationToken) {
    let handles: Vec<_> = shards
        .into_iter()
        .map(|shard| tokio::spawn(shard.compact(shutdown.child_token())))
        .collect();
    futures::future::join_all(handles).await;
}

async fn tracked(clients: Listener, shutdown: CancellationToken) {
    let tracker = TaskTracker::new();
    for port in clients.ports() {
        tracker.spawn(accept_on(port, shutdown.clone()));
    }
    tracker.close();
    tracker.wait().await;
}

fn beat(period: Duration, token: CancellationToken) {
    while !token.is_cancelled() {
        LAST_BEAT.store(now(), Ordering::Relaxed);
        thread::sleep(period);
    }
}

fn read_serial(port: Port, stop: &CancellationToken) -> io::Result<()> {
    for byte in port.bytes() {
        if stop.is_cancelled() {
            break;
        }
        BUFFER.push(byte?);
    }
    Ok(())
}

fn blocking_entry(config: Config, token: CancellationToken) -> Result<()> {
    let runtime = Runtime::new()?;
    runtime.block_on(async move {
        let engine = Engine::load(config).await?;
        token.cancelled().await;
        engine.unload().await
    })
}

async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
    self.ledger.replay(&shutdown)?;
    self.inner.execute().await
}

async fn accept_loop(listener: TcpListener, shutdown: CancellationToken) {
    let guard = shutdown.child_token();
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, guard.clone()));
    }
}

async fn agent(config: AgentConfig, shutdown: CancellationToken) -> Result<()> {
    let agent = Agent::from_config(config)?;
    CONTEXT.set(shutdown);
    agent.run_forever().await?;
    Ok(())
}

async fn count_events(mut inbox: Receiver<Event>, shutdown: CancellationToken) -> u64 {
    let mut count = 0;
    loop {
        tokio::select! {
            _ = shutdown.cancelled() => return count,
            event = inbox.recv() => count += u64::from(event.is_some()),
        }
    }
}

#[token(self.shutdown)]
async fn scrape(&self) -> Result<()> {
    let stop = self.shutdown.clone();
    loop {
        select! {
            _ = stop.cancelled() => return Ok(()),
            _ = sleep(self.period) => self.scrape_once().await?,
        }
    }
}

#[token(self.inner.cancel)]
async fn supervise(self: Arc<Self>) {
    let this = self.clone();
    this.children.spawn_all();
    this.inner.cancel.cancelled().await;
    this.children.stop_all().await;
}

async fn guarded_by_macro(jobs: Jobs, shutdown: CancellationToken) -> Result<()> {
    loop {
        let job = until_cancelled!(shutdown.cancelled() => jobs.next());
        job.complete()?;
    }
}

async fn in_select_arm(mut feed: Feed, shutdown: CancellationToken) -> Result<()> {
    let flush = async {
        shutdown.cancelled().await;
        feed.flush()
    };
    tokio::select! {
        flushed = flush => flushed,
        lost = feed.lost() => Err(lost.into()),
    }
}

async fn start_listener(&self, shutdown: CancellationToken) -> Result<()> {
    let socket = UnixListener::bind(&self.path)?;
    loop {
        let (client, _) = socket.accept().await?;
        tokio::spawn(answer(client, shutdown.clone()));
    }
}
