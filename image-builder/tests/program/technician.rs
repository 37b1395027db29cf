//! A technician before a box: nobody is let in by SSH but who holds a permit of the county for this clinic, by the key that
//! the permit names, for its minutes, whatever restarts. The long lane runs it, as [`crate::updating`].

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::clinic::Clinic;
use crate::qemu::Machine;
use crate::running::run;

const COUNTY: &str = "441802";

/// A key pair of OpenSSH.
pub(crate) fn key(clinic: &Clinic, name: &str) -> PathBuf {
    let path = clinic.at(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "wang@county", "-f"])
        .arg(&path)
        .status()
        .expect("ssh-keygen of the package openssh-client");
    assert!(made.success());
    path
}

/// A permit as the county makes it.
pub(crate) fn permit(clinic: &Clinic, code: &str, key: &str, minutes: &str) -> Vec<u8> {
    let (out, secret) = (format!("{code}-{minutes}.permit"), clinic.key());
    let call = [
        "technician",
        &out,
        "--county",
        COUNTY,
        "--clinic",
        code,
        "--ssh-key",
        key,
        "--minutes",
        minutes,
        "--key",
        &secret,
    ];
    let ran = run(clinic.folder.path(), &call);
    assert!(ran.is_well, "{ran:?}");
    fs::read(clinic.at(&out)).unwrap()
}

/// `ssh` to the box by this key, with more options.
pub(crate) fn ssh(clinic: &Clinic, machine: &Machine, key: &Path, more: &[&str], words: &str) -> Command {
    let mut ssh = Command::new("ssh");
    ssh.args(["-p", &machine.ssh.to_string(), "-i"])
        .arg(key)
        .args(["-F", "none", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"])
        .args(["-o", "StrictHostKeyChecking=no", "-o", "ConnectTimeout=30"])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", clinic.at("hosts").display()))
        .args(more)
        .args(["root@127.0.0.1", words])
        .stdin(Stdio::null());
    ssh
}

pub(crate) fn ended(mut ssh: Command) -> Output {
    ssh.output().expect("ssh of the package openssh-client")
}

fn waits_for(machine: &mut Machine, words: &str) {
    machine.until(words, |machine| machine.log().contains(words).then_some(()));
}

#[test]
fn a_permit_lets_its_key_in_for_its_minutes_and_nobody_else() {
    let clinic = Clinic::new();
    let (own, strange) = (key(&clinic, "own"), key(&clinic, "strange"));

    // Without a permit, and with one for a neighbour: shut, and in the second case the screen says why.
    let mut machine = clinic.start("none", None, false);
    machine.get("/");
    assert!(!ended(ssh(&clinic, &machine, &own, &[], "id -u")).status.success());
    assert!(!machine.log().contains("SSH is on"), "{}", machine.log());
    drop(machine);
    let neighbour = permit(&clinic, "0018", "own.pub", "2");
    let stick = clinic.stick(&[("technician.permit", neighbour)]);
    let mut machine = clinic.start("neighbour", Some(&stick), false);
    waits_for(&mut machine, "for clinic 0018 of county 441802, not for this box");
    machine.get("/");
    assert!(!ended(ssh(&clinic, &machine, &own, &[], "id -u")).status.success());
    drop(machine);

    let two = permit(&clinic, "0017", "own.pub", "2");
    let stick = clinic.stick(&[("technician.permit", two)]);
    let mut machine = clinic.start("own", Some(&stick), false);
    waits_for(&mut machine, "SSH is on for 2 minutes by permit");
    let said = machine.until("the key is let in", |machine| {
        let said = ended(ssh(
            &clinic,
            machine,
            &own,
            &[],
            "id -u; cat /etc/clinic/release; systemctl is-active clinic-box",
        ));
        said.status.success().then_some(said)
    });
    assert_eq!(
        String::from_utf8_lossy(&said.stdout),
        "0\n1\nactive\n",
        "{said:?}"
    );
    let said = ended(ssh(&clinic, &machine, &strange, &[], "id -u"));
    let words = String::from_utf8_lossy(&said.stderr);
    assert!(
        !said.status.success() && words.contains("Permission denied (publickey)"),
        "{words}"
    );

    // A session that would go on does not.
    let mut session = ssh(&clinic, &machine, &own, &[], "sleep 100000").spawn().unwrap();
    assert!(session.try_wait().unwrap().is_none());
    waits_for(&mut machine, "the minutes of the permit are over");
    waits_for(&mut machine, "SSH is off");
    let ends = machine.until("the session ends", |_| session.try_wait().unwrap());
    assert!(!ends.success());
    assert!(!ended(ssh(&clinic, &machine, &own, &[], "id -u")).status.success());
    drop(machine);

    // The same permit opens nothing any more, also after the power was off.
    let mut machine = clinic.start("again", Some(&stick), false);
    waits_for(&mut machine, "its 2 minutes are over");
    machine.get("/");
    assert!(!ended(ssh(&clinic, &machine, &own, &[], "id -u")).status.success());
}
