//! Logs and metrics.
//!
//! Metric labels are channel, domain and step; never an address, so that their number stays
//! bounded by what the operator configured.

use mail::Domain;
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};
use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error. `POSTROOM_LOG` filters, as `info,store=debug`.
pub fn start_logging(format: LogFormat) {
    let filter = EnvFilter::try_from_env("POSTROOM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second call (tests) finds a subscriber there: that one stays.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// All counters of the server.
pub struct Metrics {
    registry: Registry,
    /// Messages accepted, by channel in and recipient domain.
    pub accepted: IntCounterVec,
    /// Recipients and messages refused, by domain and step.
    pub refused: IntCounterVec,
    /// Recipients dropped from messages that others got, by domain and reason.
    pub dropped: IntCounterVec,
    /// Delivery attempts, by channel, domain and outcome.
    pub attempts: IntCounterVec,
    /// Reports of this server that could not be delivered and were kept aside.
    pub undeliverable_reports: IntCounter,
    /// Seconds in plugin hooks, by domain and hook.
    pub hook_seconds: HistogramVec,
    /// Failed hook calls, by domain and plugin.
    pub hook_failures: IntCounterVec,
    /// Hook calls not made because the plugin is left alone, by domain and plugin.
    pub hook_skips: IntCounterVec,
    /// How often a plugin was left alone, by domain and plugin.
    pub circuits_opened: IntCounterVec,
    /// 1 while a plugin is left alone, by domain and plugin.
    pub circuits_open: IntGaugeVec,
    /// Queue rows, by channel and domain.
    pub queue_depth: IntGaugeVec,
    /// Age of the oldest queue row in seconds, by channel and domain.
    pub queue_oldest: IntGaugeVec,
    /// Open connections, by service.
    pub connections: IntGaugeVec,
    /// Logins, by service and result.
    pub logins: IntCounterVec,
    /// 1 once the server takes mail.
    pub ready: IntGauge,
}

impl Metrics {
    /// All counters at zero.
    pub fn new() -> anyhow::Result<Self> {
        let registry = Registry::new_custom(Some("postroom".to_owned()), None)?;
        let counter = |name: &str, help: &str, labels: &[&str]| -> anyhow::Result<IntCounterVec> {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| -> anyhow::Result<IntGaugeVec> {
            let gauge = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let seconds = [
            0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0,
        ];
        let hook_seconds = HistogramVec::new(
            HistogramOpts::new("hook_seconds", "Time in plugin hooks").buckets(seconds.to_vec()),
            &["domain", "hook"],
        )?;
        registry.register(Box::new(hook_seconds.clone()))?;
        let undeliverable_reports = IntCounter::new(
            "undeliverable_reports_total",
            "Reports that could not be delivered and were kept aside",
        )?;
        registry.register(Box::new(undeliverable_reports.clone()))?;
        let ready = IntGauge::new("ready", "1 once the server takes mail")?;
        registry.register(Box::new(ready.clone()))?;
        Ok(Self {
            accepted: counter(
                "accepted_total",
                "Recipients accepted",
                &["channel", "domain"],
            )?,
            refused: counter(
                "refused_total",
                "Recipients and messages refused",
                &["domain", "step"],
            )?,
            dropped: counter(
                "dropped_total",
                "Recipients dropped from messages that others got",
                &["domain", "status"],
            )?,
            attempts: counter(
                "attempts_total",
                "Delivery attempts",
                &["channel", "domain", "outcome"],
            )?,
            hook_failures: counter(
                "hook_failures_total",
                "Failed hook calls",
                &["domain", "plugin"],
            )?,
            hook_skips: counter(
                "hook_skips_total",
                "Hook calls not made because the plugin is left alone",
                &["domain", "plugin"],
            )?,
            circuits_opened: counter(
                "plugin_circuits_opened_total",
                "How often a plugin was left alone because it failed too often",
                &["domain", "plugin"],
            )?,
            circuits_open: gauge(
                "plugin_circuit_open",
                "1 while a plugin is left alone because it failed too often",
                &["domain", "plugin"],
            )?,
            queue_depth: gauge("queue_depth", "Queue rows", &["channel", "domain"])?,
            queue_oldest: gauge(
                "queue_oldest_seconds",
                "Age of the oldest queue row",
                &["channel", "domain"],
            )?,
            connections: gauge("connections", "Open connections", &["service"])?,
            logins: counter("logins_total", "Logins", &["service", "result"])?,
            hook_seconds,
            undeliverable_reports,
            ready,
            registry,
        })
    }

    /// In the text format of Prometheus.
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        // Writing to memory cannot fail; a metric that cannot be encoded is left out.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Counts a recipient that gets nothing although the message was taken, by the status that
    /// a report would have named.
    pub fn drop_recipient(&self, domain: Option<&Domain>, status: &str) {
        self.dropped
            .with_label_values(&[domain.map_or("-", Domain::as_str), status])
            .inc();
    }

    /// Counts a refusal. Domains that are not ours share one label, so that peers cannot make labels.
    pub fn refuse(&self, domain: Option<&Domain>, step: &str) {
        self.refused
            .with_label_values(&[domain.map_or("-", Domain::as_str), step])
            .inc();
    }
}
