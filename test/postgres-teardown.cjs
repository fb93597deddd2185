module.exports = async () => {
  await globalThis.__ICTCORE_TEST_POSTGRES__?.stop();
};
