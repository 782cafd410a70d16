//! scratch
#![allow(clippy::print_stdout, clippy::unwrap_used)]
use skep_btf::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let data = std::fs::read(&args[2]).unwrap();
    if args[1] == "mut" {
        let (mut at, mut n, mut ok, mut both) = (0, 0, 0, 0);
        while at < data.len() {
            let w = |o: usize| u32::from_le_bytes(data[o..o + 4].try_into().unwrap());
            let (len, err) = (w(at) as usize, w(at + 4));
            let blob = &data[at + 8..at + 8 + len];
            at += 8 + len; n += 1;
            let ours = Btf::parse_for_load(blob);
            if err == 0 { both += 1; }
            if ours.is_ok() == (err == 0) { ok += 1 } else { println!("{n} kernel {err} ours {:?}", ours.map(|_| ())); std::fs::write(format!("/tmp/btfw/m{n}.btf"), blob).unwrap(); }
        }
        println!("{ok} of {n} agree, {both} accepted by the kernel");
        return;
    }
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
