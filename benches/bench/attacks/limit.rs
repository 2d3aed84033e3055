//! A memory cgroup for one process.

use std::{fs, path::PathBuf};

/// Where the memory controller of cgroups version 1 is, and the file of the limit; else the same of version 2.
const CONTROLLERS: [(&str, &str); 2] =
    [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];

/// A cgroup, which is removed when the process has ended.
pub struct MemoryLimit(Option<PathBuf>);

impl MemoryLimit {
    /// Limits the memory of a process that has just been started.
    pub fn of(pid: u32, mib: u64) -> Self {
        let limited = CONTROLLERS.iter().find_map(|(controller, file)| {
            let group = PathBuf::from(controller).join(format!("svix-operator-bench-{pid}"));
            fs::create_dir(&group).ok()?;
            let is_limited = fs::write(group.join(file), (mib << 20).to_string()).is_ok()
                && fs::write(group.join("cgroup.procs"), pid.to_string()).is_ok();
            if !is_limited {
                let _ = fs::remove_dir(&group);
            }
            is_limited.then_some(group)
        });
        if limited.is_none() {
            println!("no memory cgroup can be created: the memory of process {pid} is measured, not limited");
        }
        Self(limited)
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        if let Some(group) = &self.0 {
            // It stays while the process ends; then it costs nothing.
            let _ = fs::remove_dir(group);
        }
    }
}
