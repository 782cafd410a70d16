#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

#ifndef __ksym
#define __ksym __attribute__((section(".ksyms")))
#endif

#ifndef __weak
#define __weak __attribute__((weak))
#endif

enum e64 {
	L64 = 4294967296ULL,
	M64 = 7ULL,
};

enum e8 {
	X8 = 0,
	Y8 = 200,
} __attribute__((mode(byte)));

enum es64 {
	SL64 = -4294967296LL,
	SM64 = 7LL,
};

typedef unsigned char u8;

typedef unsigned int __u32;

typedef unsigned long long u64;

enum e1 {
	A = 0,
	B = 5,
	C = -1,
};

typedef int (*fn_t)(int);

struct in {
	short s;
	unsigned short us;
};

union un {
	int i;
	char c[4];
};

struct all {
	char c;
	signed char sc;
	u8 uc;
	_Bool b;
	short s;
	unsigned short us;
	int i;
	unsigned int u;
	long l;
	unsigned long ul;
	__int128 i128;
	unsigned __int128 u128;
	enum e1 e;
	enum e1 e_unk;
	enum e8 e8;
	enum e64 e64;
	enum es64 es64;
	int bf1: 3;
	unsigned int bf2: 5;
	int bf3: 20;
	long: 36;
	u64 bf4: 40;
	_Bool bfb: 1;
	enum e1 bfe: 4;
	void *p;
	struct all *self;
	fn_t fn;
	char str[8];
	char str_nonul[4];
	char emb[4];
	u8 bytes[4];
	signed char sarr[3];
	int ia[3];
	int md[2][2];
	char mc[2][4];
	struct in in;
	struct in ina[2];
	union un un;
	struct {
		int anon_a;
		union {
			int anon_b;
			char anon_c;
		};
	};
	volatile const int cv;
	int empty[0];
	struct {} es;
	const char *name;
	char flex[0];
	long: 64;
};

struct xdp_md {
	__u32 data;
	__u32 data_end;
	__u32 data_meta;
	__u32 ingress_ifindex;
	__u32 rx_queue_index;
	__u32 egress_ifindex;
};


/* BPF kfuncs */
#ifndef BPF_NO_KFUNC_PROTOTYPES
#endif

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
