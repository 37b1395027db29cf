//! Sets the stage: founds hub and clinic on the first start, joins them, and fills the village.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use appliance::founding::{NewDoctor, add_first_doctor, finish, found_clinic};
use appliance::hub_link::Cable;
use jiff::civil::Date;
use records::clinics::Clinic;
use records::staff::Role;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::control::{self, Control};
use crate::devices::Devices;
use crate::village;

/// Sign-in at the box: login, password, PIN.
pub const BOX_SIGN_IN: (&str, &str, &str) = ("zhou", "liushuwan-2026", "2580");
/// Password of the demo's hub staff; they are asked for none of their own, unlike real ones.
pub const HUB_PASSWORD: &str = "qingshi-2026";
/// Sign-ins at the hub: role, name.
const HUB_STAFF: [(Role, &str); 2] = [(Role::HubAdministrator, "管理员"), (Role::Expert, "何县医")];
/// Words above every page of the demo.
const NOTICE: &str = "演示数据 · 人物均为虚构";

/// How the demo is started.
pub struct Plan {
    /// Folder of its data.
    pub data: PathBuf,
    /// Address of the box's pages.
    pub listen: SocketAddr,
    /// Address of the hub's desks.
    pub hub_listen: SocketAddr,
    /// Address of the control page.
    pub control_listen: SocketAddr,
    /// A 12-lead record for the ECG recorder.
    pub replay: Option<PathBuf>,
    /// Seed of the village.
    pub seed: u64,
    /// The day on which the village is seeded.
    pub today: Date,
}

/// A demo that runs.
pub struct Stage {
    /// The box.
    pub appliance: appliance::Running,
    /// The hub.
    pub hub: sync_server::Running,
    /// Address of the control page.
    pub control: SocketAddr,
    /// Sign-ins at the hub: role, login, password.
    pub hub_sign_ins: Vec<(String, String, String)>,
    pages: JoinHandle<()>,
    seeding: JoinHandle<Result<()>>,
}

/// Starts hub, box and devices. When this returns the pages answer; the village fills up in the background.
pub async fn set(plan: Plan) -> Result<Stage> {
    let devices = Arc::new(Devices::start(plan.replay.as_deref())?);
    let mut hub_options = sync_server::Options::new(plan.data.join("hub"));
    hub_options.desk = sync_server::Desk::LoopbackHttp(plan.hub_listen);
    hub_options.link = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    hub_options.notice = Some(NOTICE.to_owned());
    let hub = sync_server::run(hub_options)
        .await
        .context("the hub does not start")?;
    let link = hub.link_url().context("the hub has no address for boxes")?;
    let cable = Cable::default();
    let mut options = appliance::Options::new(plan.data.join("box"));
    options.listen = plan.listen;
    options.hub = Some(link.clone());
    options.bays = devices.bays();
    options.cable = Some(cable.clone());
    options.notice = Some(NOTICE.to_owned());
    let appliance = appliance::run(options).await.context("the box does not start")?;
    let hub_sign_ins = hub_staff(&hub).await?;
    found(&appliance).await?;
    join(&appliance, &hub, &link).await?;
    let lines = village::lines(plan.seed, plan.today);
    let card = card_of(&lines);
    let seeding = tokio::spawn(fill(appliance.state.clone(), lines));
    let places = vec![
        ("诊室 · clinic", format!("http://{}/", appliance.pages)),
        ("自助机 · kiosk", format!("http://{}/kiosk", appliance.pages)),
        ("县级中心 · hub", hub.desk_url()),
    ];
    let listener = TcpListener::bind(plan.control_listen).await.with_context(|| {
        format!(
            "address {} of the control page cannot be had",
            plan.control_listen
        )
    })?;
    let control = listener.local_addr().context("no address")?;
    let router = control::router(Control {
        cable,
        devices,
        card,
        places: Arc::new(places),
    });
    let pages = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the control page ended");
        }
    });
    Ok(Stage {
        appliance,
        hub,
        control,
        hub_sign_ins,
        pages,
        seeding,
    })
}

impl Stage {
    /// Waits until the village is filled.
    ///
    /// # Errors
    /// Where it could not be.
    pub async fn filled(&mut self) -> Result<()> {
        (&mut self.seeding)
            .await
            .context("filling the village ended by a panic")?
    }

    /// Stops everything in order.
    pub async fn stop(self) {
        self.pages.abort();
        self.seeding.abort();
        self.appliance.stop().await;
        self.hub.stop().await;
    }
}

async fn hub_staff(hub: &sync_server::Running) -> Result<Vec<(String, String, String)>> {
    let mut sign_ins = Vec::new();
    for (role, name) in HUB_STAFF {
        let login = sync_server::staff::settle(hub.store(), role, name, HUB_PASSWORD).await?;
        sign_ins.push((role.word().to_owned(), login, HUB_PASSWORD.to_owned()));
    }
    Ok(sign_ins)
}

async fn found(appliance: &appliance::Running) -> Result<()> {
    let store = &appliance.state.store;
    if store.clinic().await?.is_some() {
        return Ok(());
    }
    let clinic = Clinic {
        name: village::CLINIC_NAME.to_owned(),
        code: village::CLINIC_CODE.parse().ok(),
        language: "zh".to_owned(),
        ..Clinic::default()
    };
    found_clinic(store, &clinic).await?;
    let (login, password, pin) = BOX_SIGN_IN;
    let doctor = NewDoctor {
        name: village::DOCTOR.to_owned(),
        login: login.to_owned(),
        password: password.to_owned(),
        pin: pin.to_owned(),
    };
    add_first_doctor(store, &doctor).await?;
    Ok(finish(store).await?)
}

async fn join(appliance: &appliance::Running, hub: &sync_server::Running, link: &str) -> Result<()> {
    if appliance.state.link.is_joined().await? {
        return Ok(());
    }
    let code = village::CLINIC_CODE
        .parse()
        .context("the village's clinic code")?;
    sync_server::clinics::add(hub.store(), &code, village::CLINIC_NAME).await?;
    let token = sync_server::clinics::new_token(hub.store(), &code).await?;
    appliance
        .state
        .link
        .join(link, &token, None)
        .await
        .context("the box cannot join the hub")
}

/// Number and name of a grown-up resident, for the card reader.
fn card_of(lines: &[Value]) -> (String, String) {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let found = lines
        .iter()
        .find(|line| line["t"] == "patient" && line["occupation"] == "农民");
    found.map_or_else(Default::default, |line| (text(line, "id_no"), text(line, "name")))
}

async fn fill(state: appliance::state::AppState, lines: Vec<Value>) -> Result<()> {
    let lines = lines.into_iter().map(|line| Ok(line.to_string().into_bytes()));
    let report = state.store.import(lines, Box::new(|_| {})).await?;
    tracing::info!(
        new = report.new,
        known = report.known,
        refused = report.refused,
        "the village is filled"
    );
    anyhow::ensure!(
        report.refused == 0,
        "{} lines of the village were refused",
        report.refused
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    fn plan(data: PathBuf) -> Plan {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Plan {
            data,
            listen: free,
            hub_listen: free,
            control_listen: free,
            replay: None,
            seed: 1,
            today: Date::constant(2026, 11, 25),
        }
    }

    async fn status_of(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_demo_starts_fills_its_village_stops_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut stage = set(plan(folder.path().to_owned())).await.unwrap();
        for (address, path) in [
            (stage.appliance.pages, "/sign-in"),
            (stage.appliance.pages, "/kiosk"),
            (stage.hub.desk, "/sign-in"),
            (stage.control, "/"),
        ] {
            assert_eq!(status_of(address, path).await, "HTTP/1.1 200 OK", "{path}");
        }
        stage.filled().await.unwrap();
        assert!(stage.appliance.state.link.is_joined().await.unwrap());
        let residents = stage.appliance.state.store.patients_count().await.unwrap();
        assert_eq!(residents, village::RESIDENTS as u64);
        stage.stop().await;
        let mut again = set(plan(folder.path().to_owned())).await.unwrap();
        again.filled().await.unwrap();
        assert_eq!(
            again.appliance.state.store.patients_count().await.unwrap(),
            residents
        );
        again.stop().await;
    }
}
