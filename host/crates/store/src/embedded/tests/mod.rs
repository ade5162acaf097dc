//! Crashes, failing disks and damage, on a disk in memory.

mod collect;
mod crash;
mod damage;
mod failing;
mod full;
mod opening;
mod script;
mod slow;
