#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// A branch whose forms are as x86-64's, and which spells out where it leads: form, then distance.
#[derive(Clone, Copy, Debug)]
struct Fake;

impl BranchShape for Fake {
    fn bytes(self, form: Form) -> u32 {
        match form {
            Form::Short => 2,
            Form::Long => 5,
        }
    }

    fn reaches(self, form: Form, distance: i64) -> bool {
        let relative = distance - i64::from(self.bytes(form));
        match form {
            Form::Short => i8::try_from(relative).is_ok(),
            Form::Long => i32::try_from(relative).is_ok(),
        }
    }

    fn encode(self, form: Form, distance: i64, out: &mut Vec<u8>) {
        let relative = (distance - i64::from(self.bytes(form))).to_le_bytes();
        match form {
            Form::Short => out.extend([0x01, relative[0]]),
            Form::Long => {
                out.push(0x02);
                out.extend(&relative[..4]);
            }
        }
    }
}

/// Reads a branch back: its length and target.
fn decode(bytes: &[u8], at: usize) -> (usize, i64) {
    match bytes[at] {
        1 => (
            2,
            i64::try_from(at + 2).unwrap() + i64::from(bytes[at + 1].cast_signed()),
        ),
        2 => {
            let relative = i32::from_le_bytes(bytes[at + 1..at + 5].try_into().unwrap());
            (5, i64::try_from(at + 5).unwrap() + i64::from(relative))
        }
        other => panic!("no branch at {at}: {other}"),
    }
}

fn filler(stream: &mut Stream<Fake>, bytes: usize) {
    stream.bytes().extend(std::iter::repeat_n(0x90, bytes));
}

fn forward(gap: usize) -> Vec<u8> {
    let mut stream = Stream::new(0);
    let label = stream.new_label();
    stream.branch(Fake, label);
    filler(&mut stream, gap);
    stream.bind(label);
    stream.finish().unwrap().bytes
}

fn backward(gap: usize) -> Vec<u8> {
    let mut stream = Stream::new(0);
    let label = stream.new_label();
    stream.bind(label);
    filler(&mut stream, gap);
    stream.branch(Fake, label);
    stream.finish().unwrap().bytes
}

#[test]
fn short_form_is_used_up_to_its_reach() {
    assert_eq!(forward(127)[..2], [1, 127]);
    assert_eq!(forward(128)[..5], [2, 128, 0, 0, 0]);
    assert_eq!(backward(126)[126..], [1, 0x80]);
    assert_eq!(backward(127)[127..], [2, 0x7c, 0xff, 0xff, 0xff]);
}

/// `n` branches, each leading over the next one and just in reach as long as that one is short; the last is out of
/// reach, and pushes all others out one by one.
fn cascade(n: usize) -> Laid {
    let mut stream = Stream::new(0);
    let labels: Vec<Label> = (0..=n).map(|_| stream.new_label()).collect();
    for at in 0..n {
        stream.branch(Fake, labels[at]);
        filler(&mut stream, 62);
        if at > 0 {
            stream.bind(labels[at - 1]);
        }
        filler(&mut stream, if at + 1 == n { 200 } else { 1 });
    }
    stream.bind(labels[n - 1]);
    stream.bind(labels[n]);
    stream.finish().unwrap()
}

#[test]
fn growth_that_spreads_ends_and_every_branch_reaches() {
    for n in [1, 2, 5, GROW_PASSES_MAX, GROW_PASSES_MAX + 1, 200] {
        let laid = cascade(n);
        let mut at = 0;
        for index in 0..n {
            let (len, target) = decode(&laid.bytes, at);
            assert_eq!(
                target,
                i64::from(laid.labels[index]),
                "branch {index} of {n}"
            );
            at += len + 62 + if index + 1 == n { 200 } else { 1 };
        }
        assert_eq!(at, laid.bytes.len());
    }
}

#[test]
fn random_layouts_are_minimal_and_lead_where_they_should() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (seed >> 33) % below
    };
    for _ in 0..200 {
        let mut stream = Stream::new(0);
        let count = 1 + usize::try_from(random(60)).unwrap();
        let labels: Vec<Label> = (0..count).map(|_| stream.new_label()).collect();
        let mut targets = Vec::new();
        let mut gaps = Vec::new();
        for label in &labels {
            stream.bind(*label);
            let target = labels[usize::try_from(random(labels.len() as u64)).unwrap()];
            stream.branch(Fake, target);
            targets.push(target);
            let gap = usize::try_from(random(40)).unwrap();
            filler(&mut stream, gap);
            gaps.push(gap);
        }
        let laid = stream.finish().unwrap();
        let mut at = 0;
        for (target, gap) in targets.iter().zip(gaps) {
            let (len, to) = decode(&laid.bytes, at);
            assert_eq!(to, i64::from(laid.offset(*target)));
            let short = Fake.reaches(Form::Short, to - i64::try_from(at).unwrap());
            assert_eq!(len == 2, short);
            at += len + gap;
        }
    }
}

#[test]
fn marks_move_with_the_branches_before_them() {
    let mut stream: Stream<Fake> = Stream::new(3);
    stream.pc(InsnIdx(0));
    stream.bind(Label::of_slot(InsnIdx(0)));
    stream.branch(Fake, Label::of_slot(InsnIdx(2)));
    stream.pc(InsnIdx(1));
    filler(&mut stream, 300);
    stream.reloc(RelocKind::Abs64, Symbol::Helper { id: 1 });
    filler(&mut stream, 8);
    stream.pc(InsnIdx(2));
    stream.bind(Label::of_slot(InsnIdx(2)));
    let laid = stream.finish().unwrap();
    assert_eq!(laid.relocs[0].offset, 305);
    assert_eq!(laid.offset(Label::of_slot(InsnIdx(2))), 313);
    let offsets: Vec<u32> = laid.pc_map.iter().map(|entry| entry.offset).collect();
    assert_eq!(offsets, [0, 5, 313]);
}

#[test]
fn slot_without_code_has_no_entry_of_its_own() {
    let mut stream: Stream<Fake> = Stream::new(3);
    stream.pc(InsnIdx(0));
    stream.pc(InsnIdx(1));
    filler(&mut stream, 1);
    stream.pc(InsnIdx(1));
    filler(&mut stream, 1);
    let laid = stream.finish().unwrap();
    assert_eq!(
        laid.pc_map,
        [PcEntry {
            offset: 0,
            at: InsnIdx(1)
        }]
    );
}
