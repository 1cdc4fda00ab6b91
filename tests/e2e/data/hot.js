// Two functions of plain arithmetic, whose work splits 2 : 1, for a while that is given in ms.
function heavy(n) {
  let x = 1;
  for (let i = 0; i < n; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0;
  return x;
}

function light(n) {
  let x = 1;
  for (let i = 0; i < n; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0;
  return x;
}

const end = process.cpuUsage().user + 1000 * Number(process.argv[2] || 1000);
let sum = 0;
while (process.cpuUsage().user < end) {
  for (let i = 0; i < 10; i++) sum ^= heavy(200000) + light(100000);
}
process.exitCode = sum === 0.5 ? 1 : 0;
