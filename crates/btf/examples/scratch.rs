//! scratch
#![allow(clippy::print_stdout, clippy::unwrap_used)]
use skep_btf::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let data = std::fs::read(&args[2]).unwrap();
    let btf = Btf::parse(&data).unwrap();
    assert!(btf.to_bytes() == data, "round trip");
    let order = if args[1] == "cu" { dump::c::Order::ById } else { dump::c::Order::Sorted };
    match args[1].as_str() {
        "raw" => print!("{}", dump::raw(&btf)),
        "json" => println!("{}", json::to_bpftool_compact(&dump::raw_json(&btf))),
        "check" => println!("{:?}", btf.check()),
        "proto" => for (id, t) in btf.iter() { if let Kind::Func(_) = t.kind { println!("{}:", proto(&btf, id)); } },
        _ => print!("{}", dump::c(&btf, &dump::c::Options { roots: args[3..].iter().map(|a| TypeId(a.parse().unwrap())).collect(), order, frame: dump::c::Frame::Header }).unwrap()),
    }
}
