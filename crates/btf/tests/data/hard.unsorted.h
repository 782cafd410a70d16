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

enum small {
	SM_A = 0,
	SM_B = 1,
} __attribute__((mode(byte)));

enum e2 {
	E2A = 1000,
	E2B = 1001,
};

enum big {
	BIG_A = 8589934591ULL,
	BIG_B = 3ULL,
};

enum bigs {
	BS_A = -8589934591LL,
	BS_B = 3LL,
};

enum neg {
	NG = -5,
	NP = 2147483647,
};

enum word8 {
	W8 = 1LL,
} __attribute__((mode(word)));

struct fwd;

typedef struct fwd fwd_t;

typedef void (*sig_t)(int);

typedef sig_t (*ret_fn)(int, sig_t);

struct empty {};

typedef unsigned long long u64;

struct pk {
	char a;
	int b;
	u64 c;
} __attribute__((packed));

struct pk1 {
	char a;
	short b;
} __attribute__((packed));

struct al {
	char a;
	long: 64;
	int b;
	char c;
	long: 64;
};

struct al64 {
	char a;
	u64 x;
	long: 64;
	long: 64;
	long: 64;
	long: 64;
	long: 64;
	long: 64;
};

struct pad1 {
	char a;
	long: 0;
	char b;
	short s;
	long: 0;
};

typedef unsigned char u8;

struct bf {
	int a: 3;
	char: 5;
	unsigned int b: 7;
	u64 c: 33;
	long: 16;
	u8 d: 2;
	char e;
	int f: 31;
};

struct bf2 {
	u64 a: 1;
	int: 31;
	short: 9;
	u64 b: 3;
	char tail;
};

typedef unsigned short u16;

struct bf3 {
	u8 a: 4;
	u8 b: 4;
	short: 8;
	u16 c: 12;
	_Bool d: 1;
	int: 3;
	enum neg e: 4;
};

struct bf4 {
	int x;
	int: 17;
	int y: 3;
};

struct bfp {
	int a: 3;
	u64 b: 50;
	u8 c;
	int d: 9;
} __attribute__((packed));

typedef unsigned int u32;

struct other;

struct node {
	struct node *next;
	struct other *o;
	struct {
		int x;
		struct node *n;
	} in;
	union {
		u32 w;
		u16 h[2];
	};
};

typedef int (*cmp_fn)(const void *, const void *);

struct other {
	struct node n;
	struct node *np[3];
	cmp_fn f;
	int (*g)(struct other *, ...);
	void (* (*h)(int))(char);
};

struct mutual_b;

struct mutual_a {
	struct mutual_b *b;
};

struct mutual_b {
	struct mutual_a a;
};

union uu {
	char c;
	struct {
		int a;
		int b;
	} s;
	double d;
	u8 raw[32];
};

typedef struct {
	int q;
	union uu u;
} anon_td;

typedef union {
	int q;
	float f;
} anon_u;

typedef enum {
	TE_A = 0,
	TE_B = 1,
} anon_e;

struct quals {
	const char *a;
	char * const b;
	const char * const * volatile c;
	volatile int d;
	const int e[4];
	volatile const u64 * const f;
	int * restrict r;
	void *v;
	const void *cv;
};

struct tags {
	int __attribute__((btf_type_tag("user"))) *p;
	int __attribute__((btf_type_tag("a"))) __attribute__((btf_type_tag("b"))) *q;
	struct tags __attribute__((btf_type_tag("rcu"))) *self;
	int m;
};

struct i128 {
	char c;
	long: 64;
	__int128 x;
	unsigned __int128 y;
};

struct nested {
	struct {
		struct {
			int deep;
		} l2;
		int z;
	} l1;
	union {
		struct {
			char c1;
			long c2;
		};
		int u;
	} un[2];
	enum {
		NE_A = 4,
	} ne;
	enum {
		NE_B = 0,
	} *nep;
};

union ufwd;

struct node2 {
	struct fwd *f;
	union ufwd *u;
	fwd_t *ft;
	anon_td *t;
};

typedef int dup_t;

struct dup_t {
	int z;
};

struct never;

typedef int fproto(int, char);

struct onlyptr {
	struct never *n;
	fproto *fp;
	ret_fn rf;
};

struct bool_s {
	_Bool b;
	long l;
	long double ld;
	float f;
	double d;
	signed char sc;
};

struct padend {
	u64 a;
	char b;
};

struct padend2 {
	char c;
	struct padend p[2];
	char d;
};

struct hole {
	char a;
	u64 b;
	char c;
	short d;
	char e;
	int f;
};

struct hole2 {
	char a;
	short: 0;
	char b;
	long: 0;
	int c;
};

struct vol {
	volatile struct {
		int a;
	} v;
	const union {
		int b;
	} u;
};

struct pkouter {
	char c;
	struct hole h;
	u16 x[3];
} __attribute__((packed));

struct pka {
	char c;
	int x;
	short s;
	long: 0;
} __attribute__((packed));

struct pka2 {
	char c;
	int x;
	short s;
	long: 0;
} __attribute__((packed));

struct usefwd {
	int *e;
};

typedef int arr3[3];

typedef arr3 arr23[2];

typedef int (*parr)[5];

struct arrs {
	int a[2][3];
	int *b[4];
	int (*c)[4];
	arr23 d;
	parr e;
	char f[0];
	struct pk g[2];
	cmp_fn h[3];
	int (*i[2])(void);
	const char *names[0];
};

struct hard_all {
	enum small a;
	enum e2 a2;
	enum big b;
	enum bigs b2;
	enum neg c;
	enum word8 w8;
	fwd_t *d;
	ret_fn e;
	struct empty f;
	struct pk g;
	struct pk1 g1;
	long: 64;
	struct al h;
	long: 64;
	long: 64;
	struct al64 h64;
	struct pad1 p1;
	struct bf i;
	struct bf2 i2;
	struct bf3 i3;
	struct bf4 i4;
	struct bfp i5;
	struct other j;
	struct mutual_b k;
	anon_td l;
	anon_u m;
	anon_e n;
	struct quals o;
	struct tags q;
	long: 64;
	struct i128 r;
	struct nested s;
	struct node2 t;
	dup_t u;
	struct dup_t u2;
	struct onlyptr v;
	struct bool_s w;
	struct padend2 x;
	struct hole y;
	struct hole2 y2;
	struct vol z;
	struct pkouter z1;
	int: 0;
	struct pka z2;
	struct pka2 z3;
	struct usefwd z4;
	struct arrs ar;
	long: 64;
};

struct flex {
	int n;
	struct hole h[0];
};


/* BPF kfuncs */
#ifndef BPF_NO_KFUNC_PROTOTYPES
#endif

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
