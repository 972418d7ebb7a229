//! Who we are, and whether somebody else on this machine still is.

/// The name of this machine.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The name of the user who runs this process; its number where the system has no name.
pub(crate) fn user_name() -> String {
    let uid = user_id();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| uid.to_string())
}

/// Number of the user who runs this process.
pub(crate) fn user_id() -> u32 {
    rustix::process::getuid().as_raw()
}

/// Number of the group of this process.
pub(crate) fn group_id() -> u32 {
    rustix::process::getgid().as_raw()
}

/// Number of this process.
pub(crate) fn process_id() -> i64 {
    i64::from(std::process::id())
}

/// Whether process `pid` of this machine is there. When in doubt it is.
pub(crate) fn is_alive(pid: i64) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
        return false;
    };
    rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_alive_and_nobody_has_a_negative_number() {
        assert!(is_alive(process_id()));
        assert!(!is_alive(0));
        assert!(!is_alive(i64::from(i32::MAX)));
        assert!(!host_name().is_empty());
        assert!(!user_name().is_empty());
    }
}
