//! What the operating system knows of the process, by the names that Prometheus clients use for it.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::metrics::Metric;
use super::metrics::text::{Head, Kind};

/// The metrics of the process. What the system does not tell is left out.
#[derive(Clone, Copy, Debug)]
pub struct Process;

impl Metric for Process {
    fn render(&self, out: &mut String) {
        let mut single = |name, help, kind, value: Option<f64>| {
            if let Some(value) = value {
                Head { name, help, kind }.render_single(value, out);
            }
        };
        let ticks = clock_ticks_per_second() as f64;
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name of the program, which may hold anything, is the second field and stands in parentheses. `field`
        // counts as proc(5) does.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let cpu = field(14).zip(field(15)).map(|(user, system)| (user + system) / ticks);
        single("process_cpu_seconds_total", "Processor time that was used, in seconds.", Kind::Counter, cpu);
        let resident = field(24).map(|pages| pages * page_size() as f64);
        single("process_resident_memory_bytes", "Memory that is in RAM, in bytes.", Kind::Gauge, resident);
        single(
            "process_virtual_memory_bytes",
            "Addresses that are in use, in bytes.",
            Kind::Gauge,
            field(23),
        );
        single("process_threads", "Threads.", Kind::Gauge, field(20));
        let open = fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count().saturating_sub(1) as f64);
        single("process_open_fds", "Open file descriptors.", Kind::Gauge, open);
        let most = getrlimit(Resource::Nofile).current.map(|most| most as f64);
        single("process_max_fds", "File descriptors that may be open at a time.", Kind::Gauge, most);
        let start = boot_time().zip(field(22)).map(|(boot, start)| boot + start / ticks);
        single(
            "process_start_time_seconds",
            "When the process started, in Unix seconds.",
            Kind::Gauge,
            start,
        );
    }
}

/// When the system started, in Unix seconds.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::SystemTime;

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_is_seen() {
        let mut text = String::new();
        Process.render(&mut text);
        let values = text.lines().filter(|line| !line.starts_with('#'));
        let values: HashMap<_, f64> = values
            .filter_map(|line| line.split_once(' '))
            .map(|(name, value)| (name, value.parse().unwrap()))
            .collect();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        let started = now - values["process_start_time_seconds"];
        assert!((-2.0..86_400.0).contains(&started), "started {started} s ago");
        assert!(values["process_resident_memory_bytes"] > 1e5);
        assert!(values["process_virtual_memory_bytes"] >= values["process_resident_memory_bytes"]);
        assert!(values["process_threads"] >= 1.0 && values["process_cpu_seconds_total"] >= 0.0);
        assert!((3.0..=values["process_max_fds"]).contains(&values["process_open_fds"]), "{values:?}");
    }
}
