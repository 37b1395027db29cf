//! Starts the demo and tells where to look.

#![expect(clippy::print_stdout, reason = "the program tells addresses and sign-ins")]

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use demo::stage::{self, BOX_SIGN_IN, Plan, Stage};
use tokio::signal::unix::{SignalKind, signal};

/// A hub, a box and simulated devices in one process, with a seeded village.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Folder of the demo's data; the next start goes on with it.
    #[arg(long, default_value = "demo-data")]
    data: PathBuf,
    /// Address of the box's pages.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Address of the hub's desks.
    #[arg(long, default_value = "127.0.0.1:8081")]
    hub_listen: SocketAddr,
    /// Address of the page with the cable and the devices.
    #[arg(long, default_value = "127.0.0.1:8082")]
    control_listen: SocketAddr,
    /// A 12-lead WFDB record that the ECG recorder plays, instead of the synthetic heart.
    #[arg(long)]
    replay: Option<PathBuf>,
    /// Seed of the village.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Throws the data of earlier demos away first.
    #[arg(long)]
    reset: bool,
}

/// A file in the data folder that says whose it is, so that `--reset` never deletes another folder.
const MARK: &str = "clinic-box-demo";

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    prepare(&arguments)?;
    let plan = Plan {
        data: arguments.data.clone(),
        listen: arguments.listen,
        hub_listen: arguments.hub_listen,
        control_listen: arguments.control_listen,
        replay: arguments.replay,
        seed: arguments.seed,
        today: records::time::WallTime(jiff::Timestamp::now().as_millisecond()).china_date(),
    };
    // Before anything says that the demo is there: who hears that may stop it at once.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for the signal to end")?;
    let stopped = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::pin!(stopped);
    let mut stage = stage::set(plan).await?;
    tell(&stage);
    tokio::select! {
        filled = stage.filled() => {
            filled?;
            println!("village filled");
            stopped.await;
        }
        () = &mut stopped => {}
    }
    println!("stopping");
    stage.stop().await;
    Ok(())
}

fn prepare(arguments: &Arguments) -> Result<()> {
    let (folder, mark) = (&arguments.data, arguments.data.join(MARK));
    let shown = folder.display();
    let filled = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    anyhow::ensure!(
        !filled || mark.is_file(),
        "{shown} is not a folder of this demo: name another with --data"
    );
    if arguments.reset && filled {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot throw {shown} away"))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {shown}"))?;
    std::fs::write(mark, "").with_context(|| format!("cannot write to {shown}"))
}

fn tell(stage: &Stage) {
    let (login, password, pin) = BOX_SIGN_IN;
    println!("listening pages http://{}/", stage.appliance.pages);
    println!("listening desk {}", stage.hub.desk_url());
    println!("listening control http://{}/", stage.control);
    println!();
    println!(
        "诊室 clinic   http://{}/       {login} / {password}, PIN {pin}",
        stage.appliance.pages
    );
    println!("自助机 kiosk  http://{}/kiosk", stage.appliance.pages);
    for (role, login, password) in &stage.hub_sign_ins {
        println!(
            "县级中心 hub  {}       {login} / {password} ({role})",
            stage.hub.desk_url()
        );
    }
    println!(
        "网线 cable    http://{}/       and the simulated devices",
        stage.control
    );
    println!();
    println!("Ctrl-C stops; the next start goes on with the same data.");
}
