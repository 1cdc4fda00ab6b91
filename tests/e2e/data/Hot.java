// Two methods of plain arithmetic, whose work splits 2 : 1, until its standard input ends. Says "ready" once
// both have been compiled for sure.
public class Hot {
    static int heavy(int n) {
        int x = 1;
        for (int i = 0; i < n; i++) {
            x = x * 1664525 + 1013904223 ^ x >>> 3;
        }
        return x;
    }

    static int light(int n) {
        int x = 1;
        for (int i = 0; i < n; i++) {
            x = x * 1664525 + 1013904223 ^ x >>> 3;
        }
        return x;
    }

    static int round(int rounds) {
        int sum = 0;
        for (int i = 0; i < rounds; i++) {
            sum ^= heavy(200000) + light(100000);
        }
        return sum;
    }

    public static void main(String[] args) throws Exception {
        int sum = round(2000);
        System.out.println("ready");
        while (System.in.available() == 0) {
            sum ^= round(10);
        }
        System.out.println(sum);
    }
}
